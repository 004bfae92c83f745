import { expect, test } from 'vitest';
import { lastWords } from './last-words.ts';

test('the last lines, as a person would say them', () => {
  const line = (object: object): string => JSON.stringify({ level: 30, time: 1, ...object });
  const log = [
    line({ msg: 'too old to be shown' }),
    line({ msg: 'fabric applied' }),
    line({ msg: 'no uplink: images cannot be pulled', reason: 'pasta: not found' }),
    line({ msg: 'resuming failed', err: { message: 'no space left', stack: 'at x' } }),
    line({ msg: 'another supervisor has the lab', err: { message: 'another supervisor has the lab' } }),
    'Segmentation fault',
    '',
  ].join('\n');
  expect(lastWords(log).split('\n')).toEqual([
    'fabric applied',
    'no uplink: images cannot be pulled: pasta: not found',
    'resuming failed: no space left',
    'another supervisor has the lab',
    'Segmentation fault',
  ]);
});

test('nothing of an empty log', () => {
  expect(lastWords('')).toBe('');
});
