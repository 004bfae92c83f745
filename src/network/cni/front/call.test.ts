import { createContext, runInContext } from 'node:vm';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { lowerFront } from '../../../../scripts/build-front.ts';
import { decodeRequest, encodeAnswer } from '../protocol.ts';
import { spoolName } from '../spool-name.ts';
import { call } from './call.ts';
import type { Host, Outcome } from './host.ts';
import { type FakeWorld, fakeHost } from './testing.ts';

const env = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'abc', CNI_NETNS: '/run/netns/abc', CNI_IFNAME: 'eth0' };
const config = { cniVersion: '1.1.0', name: 'flyover', type: 'flyover' };
function world(command: string, changes: FakeWorld & { config?: Record<string, unknown> } = {}): FakeWorld {
  return {
    env: { ...env, CNI_COMMAND: command },
    stdin: JSON.stringify({ ...config, ...changes.config }),
    ...changes,
  };
}
function run(given: FakeWorld) {
  const host = fakeHost(given);
  const { exit, stdout } = call(host);
  return { host, exit, stdout, value: stdout === '' ? undefined : JSON.parse(stdout) };
}

describe('VERSION', () => {
  test.each<[string | number, string]>([
    ['{"cniVersion":"0.4.0"}', '0.4.0'],
    ['{"cniVersion":"9.9.9"}', '1.1.0'],
    ['', '1.1.0'],
    ['null', '1.1.0'],
    ['nonsense', '1.1.0'],
    [-5, '1.1.0'],
  ])('with %j on stdin answers in %s, without the agent', (stdin, cniVersion) => {
    const { host, exit, value } = run({ env: { CNI_COMMAND: 'VERSION' }, stdin });
    expect(exit).toBe(0);
    expect(value).toEqual({ cniVersion, supportedVersions: ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] });
    expect(host.asked).toEqual([]);
  });
});

describe('with an agent', () => {
  test('passes everything on, and its answer back', () => {
    const { host, exit, stdout } = run(
      world('ADD', { answer: encodeAnswer({ exit: 3, stdout: '{"a":1}' }).trimEnd() }),
    );
    expect({ exit, stdout }).toEqual({ exit: 3, stdout: '{"a":1}' });
    expect(host.asked).toEqual([
      { socket: '/run/flyover/agent.sock', request: expect.any(String), timeoutMs: 30_000 },
    ]);
    expect(decodeRequest(host.asked[0]?.request ?? '')).toMatchObject({
      ok: true,
      value: { command: 'ADD', containerId: 'abc', netns: '/run/netns/abc', ifName: 'eth0', config },
    });
  });

  test('takes socket and patience from the configuration', () => {
    const { host } = run(world('ADD', { config: { socket: '/run/x.sock', timeoutSeconds: 1.5 } }));
    expect(host.asked).toMatchObject([{ socket: '/run/x.sock', timeoutMs: 1500 }]);
  });
});

describe('without an agent', () => {
  const down: [string, string | number, string][] = [
    ['nobody listens', -1002, 'cannot connect (errno 2)'],
    ['the connection is refused', -1111, 'cannot connect (errno 111)'],
    ['it hangs', -3110, 'no answer within 30 s'],
    ['its queue is full', -1110, 'no answer within 30 s'],
    ['it dies while it is asked', -3104, 'hung up before it answered (errno 104)'],
    ['it takes no request', -2005, 'cannot send (errno 5)'],
    ['it never stops talking', -3090, 'its answer is longer than'],
    ['something else answers', 'HTTP/1.1 400 Bad Request', 'is not the Flyover agent: "HTTP/1.1 400'],
  ];
  test.each(down)('ADD, CHECK and STATUS fail when %s, and say where they looked', (_, answer, words) => {
    for (const [command, code] of [
      ['ADD', 11],
      ['CHECK', 11],
      ['STATUS', 50],
    ] as const) {
      const { host, exit, value } = run(world(command, { answer, config: { prevResult: {} } }));
      expect(exit).toBe(1);
      expect(value).toMatchObject({ cniVersion: '1.1.0', code });
      expect(value.details).toContain('/run/flyover/agent.sock');
      expect(value.details).toContain('systemctl status flyover-agent');
      expect(value.details).toContain(words);
      expect(host.saved).toEqual([]);
    }
  });

  test('GC fails with "try again later"', () => {
    expect(run(world('GC', { config: { 'cni.dev/valid-attachments': [] } })).value).toMatchObject({
      code: 11,
    });
  });

  test.each(down)('DEL succeeds when %s, and leaves the request behind', (_, answer, words) => {
    const { host, exit, stdout } = run(world('DEL', { answer }));
    expect({ exit, stdout }).toEqual({ exit: 0, stdout: '' });
    const name = spoolName({ containerId: 'abc', ifName: 'eth0' });
    expect(host.saved).toMatchObject([{ path: `/var/lib/flyover/pending-del/${name}`, maxFiles: 1000 }]);
    expect(decodeRequest(host.saved[0]?.content ?? '')).toMatchObject({
      ok: true,
      value: { command: 'DEL', containerId: 'abc', netns: '/run/netns/abc', ifName: 'eth0', config },
    });
    expect(host.notes.join()).toContain(words);
  });

  test('DEL leaves less of a configuration that is too large to keep', () => {
    const { host, exit } = run(world('DEL', { config: { extra: 'ä'.repeat(100_000), spool: '/var/x' } }));
    expect(exit).toBe(0);
    expect(host.saved[0]?.path).toMatch(/^\/var\/x\//);
    expect(Buffer.byteLength(host.saved[0]?.content ?? '')).toBeLessThan(65_536);
    expect(decodeRequest(host.saved[0]?.content ?? '')).toMatchObject({
      ok: true,
      value: { command: 'DEL', containerId: 'abc', netns: '/run/netns/abc', ifName: 'eth0', config },
    });
  });

  test.each([
    [-122, 11, '1000 DELs wait there already'],
    [-30, 5, 'errno 30'],
  ])('DEL fails when the spool says %i', (save, code, words) => {
    const { exit, value } = run(world('DEL', { save }));
    expect(exit).toBe(1);
    expect(value).toMatchObject({ code, details: expect.stringContaining(words) });
    expect(value.details).toContain('/run/flyover/agent.sock');
  });
});

describe('errors', () => {
  test('are in the version of the configuration when that is one that is spoken', () => {
    expect(run(world('ADD', { config: { cniVersion: '0.4.0', name: '' } })).value).toMatchObject({
      cniVersion: '0.4.0',
      code: 7,
    });
    expect(run(world('ADD', { config: { cniVersion: '0.4.0' } })).value).toMatchObject({
      cniVersion: '0.4.0',
      code: 11,
    });
    expect(run(world('ADD', { config: { cniVersion: '0.1.0' } })).value).toMatchObject({
      cniVersion: '1.1.0',
      code: 1,
    });
  });

  test.each([
    [-90, '1048576 bytes'],
    [-84, 'not UTF-8'],
    [-5, 'errno 5'],
  ])('of stdin (%i) have code 6', (stdin, words) => {
    expect(run({ env, stdin }).value).toMatchObject({ code: 6, details: expect.stringContaining(words) });
  });
});

describe('lowered to ES5', () => {
  let lowered: (host: Host) => Outcome;
  beforeAll(async () => {
    const flyover: { main?: typeof lowered } = {};
    runInContext(await lowerFront(), createContext({ flyover }));
    lowered = flyover.main as typeof lowered;
  });

  test('it does the same as before, whatever comes', () => {
    const value = fc.oneof(
      { weight: 3, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.jsonValue() },
    );
    const configs = fc
      .record({
        cniVersion: fc.constantFrom('0.3.0', '0.4.0', '1.1.0', '2.0.0'),
        name: fc.constantFrom('flyover', 'ü', ''),
        type: fc.constantFrom('flyover', ''),
        socket: fc.constantFrom(undefined, '/run/x', 'x', `/${'a'.repeat(120)}`),
        timeoutSeconds: fc.constantFrom(undefined, 1, 0),
        prevResult: value,
        'cni.dev/valid-attachments': fc.oneof(value, fc.constant([{ containerID: 'a', ifname: 'b' }])),
      })
      .map((given) => JSON.stringify(given));
    const worlds = fc.record({
      env: fc.record({
        CNI_COMMAND: fc.constantFrom('ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION', '', 'X'),
        CNI_CONTAINERID: fc.oneof(fc.constantFrom('abc', ''), fc.string({ unit: 'binary' })),
        CNI_NETNS: fc.constantFrom('/run/netns/abc', '', 'x'),
        CNI_IFNAME: fc.oneof(fc.constantFrom('eth0', '..'), fc.string({ maxLength: 17 })),
        CNI_ARGS: fc.constantFrom('', 'A=1;B=2', 'nonsense'),
        CNI_PATH: fc.constantFrom(undefined, '/opt/cni/bin'),
      }),
      stdin: fc.oneof({ weight: 4, arbitrary: configs }, fc.json(), fc.string(), fc.constantFrom(-90, -84)),
      answer: fc.oneof(fc.constantFrom(-1002, -3110, encodeAnswer({ exit: 0, stdout: '{}' })), fc.json()),
      save: fc.constantFrom(0, -122, -13),
    });
    fc.assert(
      fc.property(worlds, (given) => {
        const [one, other] = [fakeHost(given), fakeHost(given)];
        expect(lowered(one)).toEqual(call(other));
        expect([one.asked, one.saved, one.notes]).toEqual([other.asked, other.saved, other.notes]);
      }),
      { numRuns: 1000 },
    );
  });
});
