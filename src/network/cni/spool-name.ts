import { sha256Ascii } from './sha256.ts';
import type { CniAttachment } from './types.ts';

// Lowered to ES5 for the plugin's front as well: see front/README.md for the style this needs.

/** At most so many DELs wait in a spool, four times the pods of a full node; a further one is refused with code 11. */
export const MAX_SPOOLED = 1000;
/** Bytes of one file in the spool; a larger configuration is cut down to what a DEL needs. */
export const MAX_SPOOLED_BYTES = 65536;
export const SPOOL_SUFFIX = '.json';

/** The file of an attachment's DEL in the spool: the same for each repetition. Both names must be checked ones. */
export function spoolName(of: CniAttachment): string {
  return sha256Ascii(`${of.containerId}/${of.ifName}`) + SPOOL_SUFFIX;
}
