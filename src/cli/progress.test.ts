import { describe, expect, test } from 'vitest';
import { startProgress } from './progress.ts';

/** What a terminal of one endless row would show, line by line. */
function shown(written: string): string[] {
  return written.split('\n').map((line) =>
    line
      .split('\r\u001b[K')
      .at(-1)!
      .replace(/[⠋-⠿]/u, '*')
      .replace(/\d+\.\d/, 'N'),
  );
}

function run(isTTY: boolean, env: NodeJS.ProcessEnv = {}): string[] {
  let written = '';
  const write = (text: string): void => {
    written += text;
  };
  const progress = startProgress('building', { isTTY, write }, env);
  progress.step('one');
  progress.aside(() => write('a result\n'));
  progress.step('two');
  progress.end();
  progress.step('three');
  progress.aside(() => write('another\n'));
  return shown(written);
}

describe('progress', () => {
  test('on a terminal nothing shares a line with what moves, and nothing of that stays', () => {
    expect(run(true)).toEqual(['  one', 'a result', '  two', '  three', 'another', '']);
  });

  test.each([
    ['a file', false, {}],
    ['a dumb terminal', true, { TERM: 'dumb' }],
    ['NO_COLOR', true, { NO_COLOR: '1' }],
  ])('%s gets lines only', (_, isTTY, env) => {
    const step = (text: string): string => `   N s  ${text}`;
    expect(run(isTTY, env)).toEqual([step('one'), 'a result', step('two'), step('three'), 'another', '']);
  });

  test('moves while it waits', () => {
    let written = '';
    const progress = startProgress('building', { isTTY: true, write: (text) => (written += text) }, {});
    expect(shown(written)).toEqual(['* building N s']);
    progress.end();
    expect(shown(written)).toEqual(['']);
  });
});
