import { churn } from '../../../bench/churn/churn.ts';
import { answerOuter } from '../../../bench/harness/contain.ts';
import { Scratch } from '../../../bench/harness/scratch.ts';

// The contained side of churn.test.ts: `main.ts FOLDER AGENT PODS EVERY`.
process.on('disconnect', () => process.exit(1));
const [, , folder = '', program = '', pods = '', every = ''] = process.argv;
const scratch = new Scratch(folder);
try {
  const sizes = { pods: Number(pods), parallel: 16, every: Number(every) };
  await answerOuter(await churn({ scratch, program, ...sizes }));
} finally {
  scratch.remove();
}
process.exit(0);
