import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeAnswer, decodeRequest, encodeAnswer, encodeRequest } from './protocol.ts';
import type { CniEnvironment } from './types.ts';

const environment: CniEnvironment = {
  command: 'ADD',
  containerId: 'abc',
  netns: '/run/netns/a',
  ifName: 'eth0',
  args: 'A=1',
  path: '/opt/cni/bin',
};
const config = { cniVersion: '1.1.0', name: 'flyover', type: 'flyover' };

test('a request comes out as it went in, on one line, however its configuration was laid out', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(0, 1, '\t', ' \r\n'), (extra, space) => {
      const given = { ...config, extra };
      const frame = encodeRequest(environment, JSON.stringify(given, null, space));
      expect(frame.indexOf('\n')).toBe(frame.length - 1);
      expect(frame).not.toContain('\r');
      const expected = { version: 1, ...environment, config: JSON.parse(JSON.stringify(given)) };
      expect(decodeRequest(frame)).toEqual({ ok: true, value: expected });
    }),
  );
});

describe('whoever can connect can write', () => {
  const change = (fields: Record<string, unknown>) =>
    decodeRequest(JSON.stringify({ version: 1, ...environment, config, ...fields }));
  test.each<[string, ReturnType<typeof decodeRequest>, number]>([
    ['not JSON', decodeRequest('nonsense'), 6],
    ['not an object', decodeRequest('[]'), 6],
    ['another protocol', change({ version: 2 }), 100],
    ['an unknown command', change({ command: 'RUN' }), 4],
    ['a command that is not a text', change({ command: 7 }), 4],
    ['a container id with a path in it', change({ containerId: '../x' }), 4],
    ['an interface name that is too long', change({ ifName: 'a'.repeat(16) }), 4],
    ['no namespace', change({ netns: undefined }), 4],
    ['no configuration', change({ config: undefined }), 7],
    ['a version that is not spoken', change({ config: { ...config, cniVersion: '0.1.0' } }), 1],
  ])('%s is refused', (_, decoded, code) => {
    expect(decoded).toMatchObject({ ok: false, failure: { code } });
  });

  test('and nothing makes it throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.jsonValue(), (text, value) => {
        expect(decodeRequest(text).ok).toBe(false);
        expect(decodeRequest(JSON.stringify(value)).ok).toBe(false);
      }),
    );
  });
});

test('an answer comes out as it went in', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 255 }), fc.string({ unit: 'grapheme' }), (exit, stdout) => {
      expect(decodeAnswer(encodeAnswer({ exit, stdout }))).toEqual({ exit, stdout });
    }),
  );
});

test.each([
  '',
  '{',
  '[]',
  'null',
  '{"exit":0}',
  '{"exit":-1,"stdout":""}',
  '{"exit":256,"stdout":""}',
  '{"exit":"0","stdout":""}',
  '{"exit":0,"stdout":{}}',
  'HTTP/1.1 400 Bad Request',
])('%j is no answer', (frame) => expect(decodeAnswer(frame)).toBeUndefined());
