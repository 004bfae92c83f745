import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { commandLine, identify, isAlive, namespacePids, parentPid, parseStat, signal } from './identity.ts';
import { ProcessWatch } from './watch.ts';

const behind = 'S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 99 100';

describe('the start time of a process', () => {
  test('is read behind any name', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        expect(parseStat(`12 (${name}) ${behind}\n`)).toEqual({ state: 'S', startTime: '4711' });
      }),
    );
  });

  test('is not read from something else', () => {
    for (const text of ['', '12', '12 (a)', '12 (a) S 1 2', `12 (a) ${behind.replace('4711', 'x')}`]) {
      expect(parseStat(text), text).toBeUndefined();
    }
  });
});

describe('a process', () => {
  test('is known by pid and start time together', async () => {
    const child = spawn('sleep', ['1000']);
    await once(child, 'spawn');
    const identity = identify(child.pid!)!;
    expect(isAlive(identity)).toBe(true);
    expect(isAlive({ ...identity, startTime: '1' })).toBe(false);
    expect(signal({ ...identity, startTime: '1' }, 'SIGKILL')).toBe(false);
    expect(commandLine(child.pid!)).toEqual(['sleep', '1000']);
    expect(parentPid(child.pid!)).toBe(process.pid);
    expect(namespacePids(child.pid!).at(0)).toBe(child.pid);

    const watch = new ProcessWatch(5);
    const gone = new Promise<void>((resolve) => watch.add(identity, resolve));
    let falseAlarm = false;
    watch.add(identify(process.pid)!, () => {
      falseAlarm = true;
    });
    expect(signal(identity, 'SIGTERM')).toBe(true);
    await gone;
    expect(falseAlarm).toBe(false);
    watch.close();
    expect([isAlive(identity), signal(identity, 'SIGTERM'), commandLine(identity.pid)]).toEqual([
      false,
      false,
      [],
    ]);
    expect([identify(identity.pid), parentPid(identity.pid), namespacePids(identity.pid)]).toEqual([
      undefined,
      undefined,
      [],
    ]);
  });

  test('that is forgotten is not reported', async () => {
    const watch = new ProcessWatch(1);
    const ended = { pid: process.pid, startTime: '1' };
    let reports = 0;
    watch.add(ended, () => {
      reports += 1;
    });
    watch.remove(ended);
    await new Promise<void>((resolve) => watch.add({ ...ended }, resolve));
    expect(reports).toBe(0);
  });
});
