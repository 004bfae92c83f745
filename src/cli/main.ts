import { EXIT } from './exit.ts';
import { failureOf } from './fail.ts';
import { argumentsOf, flyoverProgram } from './program.ts';

// Whoever reads may stop reading, as head does: that is no error to tell them of.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.closedPipe);
    throw error;
  });
}

const program = flyoverProgram();
try {
  await program.parseAsync(argumentsOf(program, process.argv.slice(2)), { from: 'user' });
} catch (error) {
  const { message, code } = failureOf(error);
  if (message !== undefined) process.stderr.write(`flyover: ${message}\n`);
  if (process.env.FLYOVER_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exitCode = code;
}
