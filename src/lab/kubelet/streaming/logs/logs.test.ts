import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { type LogOptions, parseEntry } from './format.ts';
import { readLog } from './reader.ts';

const folder = mkdtempSync(join(tmpdir(), 'fly-logs-'));
const path = join(folder, '0.log');
afterAll(() => rmSync(folder, { recursive: true }));

const T = '2026-11-22T18:00:00.12Z';
const entry = (text: string, tag = 'F', time = T): string => `${time} stdout ${tag} ${text}\n`;
const NOTHING: LogOptions = { follow: false, timestamps: false };
let running = false;
const log = { path, running: async () => running };
beforeEach(() => {
  running = false;
  writeFileSync(path, '');
});

async function read(
  options: Partial<LogOptions> = {},
  signal = new AbortController().signal,
): Promise<string> {
  let text = '';
  for await (const chunk of readLog(log, { ...NOTHING, ...options }, signal)) text += chunk;
  return text;
}

describe('a log', () => {
  test('is shown without what the runtime adds, pieces put together', async () => {
    writeFileSync(
      path,
      `${entry('one')}${entry('tw', 'P')}${entry('o', 'F:x')}${entry('')}${T} stderr F three\nnonsense\n`,
    );
    expect(await read()).toBe('one\ntwo\n\nthree\n');
    expect(await read({ timestamps: true })).toBe(
      ['one', 'two', '', 'three', '']
        .map((text) => `2026-11-22T18:00:00.120000000Z ${text}`)
        .slice(0, 4)
        .join('\n')
        .concat('\n'),
    );
    expect(await read({ limitBytes: 5 })).toBe('one\nt');
    expect(parseEntry(Buffer.from(`${T} stdout F`))?.text.length).toBe(0);
  });

  test('begins where it is asked to', async () => {
    const at = (second: number): string => `2026-11-22T18:00:0${second}Z`;
    writeFileSync(path, [1, 2, 3].map((n) => entry(`line ${n}`, 'F', at(n))).join(''));
    expect(await read({ since: Date.parse(at(2)) })).toBe('line 2\nline 3\n');
    expect(await read({ tailLines: 1 })).toBe('line 3\n');
    expect(await read({ tailLines: 0 })).toBe('');
    expect(await read({ tailLines: 9 })).toBe('line 1\nline 2\nline 3\n');
  });

  test('its tail is the end of the whole, whatever the lines are', async () => {
    const line = fc.array(fc.string({ maxLength: 30_000, unit: fc.constantFrom('a', 'é', ' ') }), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 12 }), fc.nat(14), async (lines, tailLines) => {
        writeFileSync(
          path,
          lines
            .map((parts) => parts.map((part, n) => entry(part, n === parts.length - 1 ? 'F' : 'P')).join(''))
            .join(''),
        );
        const whole = lines.map((parts) => `${parts.join('')}\n`);
        expect(await read({ tailLines })).toBe(whole.slice(Math.max(0, whole.length - tailLines)).join(''));
      }),
      { numRuns: 60 },
    );
  });
});

describe('a log that is followed', () => {
  test('goes on until the container ends, over a rotation, and no line is lost or shown twice', async () => {
    running = true;
    writeFileSync(path, entry('0'));
    const following = read({ follow: true });
    const expected = ['0'];
    for (let n = 1; n <= 60; n++) {
      // Lines appear in halves, as writes do.
      const text = entry(String(n));
      appendFileSync(path, text.slice(0, 12));
      await new Promise((resolve) => setImmediate(resolve));
      appendFileSync(path, text.slice(12));
      expected.push(String(n));
      if (n % 20 === 0) {
        renameSync(path, `${path}.${n}`);
        writeFileSync(path, '');
        // The kubelet rotates a log at most every few seconds; a follower has the time to see it.
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    running = false;
    expect((await following).trim().split('\n')).toEqual(expected);
  });

  test('ends when the reader goes', async () => {
    running = true;
    const gone = new AbortController();
    writeFileSync(path, entry('x'));
    const following = read({ follow: true }, gone.signal);
    setImmediate(() => gone.abort());
    expect(await following).toMatch(/^(x\n)?$/);
  });
});
