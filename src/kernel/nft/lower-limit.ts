import { checkWhole, MOST_32, NftInputError } from './input-error.ts';
import type { FieldValue, Instruction } from './instruction.ts';
import type { LimitSpec, LogSpec } from './rule.ts';

/** What the kernel takes when nothing is said. */
const WARNING = 4;

const seconds = { second: 1, minute: 60, hour: 3600, day: 86400 } as const;

export function limitInstruction(limit: LimitSpec): Instruction {
  const { rate, per = 'second', unit = 'packets', over = false } = limit;
  const burst = limit.burst ?? (unit === 'packets' ? 5 : 0);
  checkWhole('limit rate', rate, 1, Number.MAX_SAFE_INTEGER);
  checkWhole('limit burst', burst, 0, MOST_32);
  const type = unit === 'packets' ? 0 : 1;
  return {
    name: 'limit',
    fields: { rate: BigInt(rate), unit: BigInt(seconds[per]), burst, type, flags: over ? 1 : 0 },
  };
}

export function logInstruction(log: LogSpec): Instruction {
  const fields: Record<string, FieldValue> = {};
  if (log.group !== undefined) fields.group = number('log group', log.group, 0xffff);
  if (log.prefix !== undefined) {
    if (Buffer.byteLength(log.prefix) > 127)
      throw new NftInputError('log prefix', log.prefix, 'must be at most 127 bytes');
    fields.prefix = log.prefix;
  }
  if (log.snaplen !== undefined) fields.snaplen = number('log snaplen', log.snaplen, MOST_32);
  if (log.queueThreshold !== undefined)
    fields.qthreshold = number('log queueThreshold', log.queueThreshold, 0xffff);
  if (log.group === undefined) fields.level = number('log level', log.level ?? WARNING, 7);
  if (log.group === undefined && (log.snaplen ?? log.queueThreshold) !== undefined)
    throw new NftInputError('log', log, 'snaplen and queueThreshold need a group');
  if (log.group !== undefined && log.level !== undefined)
    throw new NftInputError('log', log, 'has either a group or a level');
  return { name: 'log', fields };
}

function number(field: string, value: number, most: number): number {
  checkWhole(field, value, 0, most);
  return value;
}
