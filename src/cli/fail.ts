import { CommanderError } from 'commander';
import { isAddressError } from '../address/error.ts';
import { LabError } from '../lab/errors.ts';
import { NotRunningError } from '../lab/supervisor/client.ts';
import { ConfigError } from '../network/agent/config-error.ts';
import { InstallError } from '../network/agent/install.ts';
import { EXIT } from './exit.ts';

/** Errors that say: the input was not accepted, and nothing was changed. */
const REFUSALS = [LabError, ConfigError, InstallError];

/** What went wrong: a line for a person, unless the library has said it already, and a code for a script. */
export function failureOf(error: unknown): { message?: string; code: number } {
  if (error instanceof CommanderError) return { code: error.exitCode === 0 ? EXIT.ok : EXIT.refused };
  const message = printable(error instanceof Error ? error.message : String(error));
  if (REFUSALS.some((kind) => error instanceof kind) || isAddressError(error)) {
    return { message, code: EXIT.refused };
  }
  return { message, code: error instanceof NotRunningError ? EXIT.notRunning : EXIT.failed };
}

/** Messages quote what people and programs wrote: nothing of it may move the reader's cursor. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) =>
    character === '\n' || character === '\t' ? character : `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}
