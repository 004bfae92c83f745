import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Checked } from './failure.ts';
import type { CniCommand } from './types.ts';
import { checkConfig, checkEnvironment, parseArgs, parseConfig, validAttachments } from './validate.ts';
import { isAtLeast, SUPPORTED_VERSIONS } from './versions.ts';

const full = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'abc123',
  CNI_NETNS: '/run/netns/abc123',
  CNI_IFNAME: 'eth0',
  CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=web-0',
  CNI_PATH: '/opt/cni/bin',
};
const environment = (changes: Record<string, string | undefined> = {}) => {
  const all: Record<string, string | undefined> = { ...full, ...changes };
  return checkEnvironment((name) => all[name]);
};
const config = (changes: Record<string, unknown> = {}) => ({
  cniVersion: '1.1.0',
  name: 'flyover',
  type: 'flyover',
  ...changes,
});
function failure(checked: Checked<unknown>) {
  if (checked.ok) throw new Error(`accepted: ${JSON.stringify(checked.value)}`);
  return checked.failure;
}

describe('environment', () => {
  test('is taken as given when nothing is wrong', () => {
    expect(environment()).toEqual({
      ok: true,
      value: {
        command: 'ADD',
        containerId: 'abc123',
        netns: '/run/netns/abc123',
        ifName: 'eth0',
        args: full.CNI_ARGS,
        path: '/opt/cni/bin',
      },
    });
  });

  test.each<[string, string[], string[]]>([
    ['ADD', ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'], []],
    ['CHECK', ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'], []],
    ['DEL', ['CNI_CONTAINERID', 'CNI_IFNAME'], ['CNI_NETNS']],
    ['', ['CNI_COMMAND', 'CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'], ['CNI_PATH', 'CNI_ARGS']],
  ])('%s without anything names every variable that is missing', (command, missing, optional) => {
    const { code, msg } = failure(checkEnvironment((name) => (name === 'CNI_COMMAND' ? command : '')));
    expect(code).toBe(4);
    for (const name of missing) expect(msg).toContain(name);
    for (const name of optional) expect(msg).not.toContain(name);
  });

  test.each(['GC', 'STATUS', 'VERSION'])(
    '%s needs no attachment, and does not look at a broken one',
    (command) => {
      const checked = checkEnvironment(
        (name) => ({ CNI_COMMAND: command, CNI_IFNAME: 'a/b', CNI_ARGS: '???' })[name],
      );
      expect(checked).toMatchObject({
        ok: true,
        value: { command, containerId: '', netns: '', ifName: '', args: '' },
      });
    },
  );

  test.each(['add', 'ADDD', 'UPDATE', 'ADD '])('command %j is unknown', (command) => {
    const { code, msg, details } = failure(environment({ CNI_COMMAND: command }));
    expect(code).toBe(4);
    expect(msg).toContain(JSON.stringify(command));
    expect(details).toContain('ADD, DEL, CHECK, GC, STATUS, VERSION');
  });

  test.each(['-a', '_a', '.', 'a/b', 'a b', 'a\n', 'ä', '../../etc', 'a'.repeat(201)])(
    'container id %j is refused',
    (value) => {
      const { code, details } = failure(environment({ CNI_CONTAINERID: value }));
      expect(code).toBe(4);
      expect(details).toContain('CNI_CONTAINERID is');
    },
  );

  test.each(['.', '..', 'a/b', 'a:b', 'a b', 'a\tb', 'eth%d', 'éth0', 'a\u007f', 'sixteen-letters!'])(
    'interface name %j is refused',
    (value) => {
      const { code, details } = failure(environment({ CNI_IFNAME: value }));
      expect(code).toBe(4);
      expect(details).toContain('CNI_IFNAME is');
    },
  );

  test.each(['eth0', 'a', '...', 'fifteen-letters', 'a.b_c-d@1', '!#$&()'])(
    'interface name %j is taken',
    (value) => {
      expect(environment({ CNI_IFNAME: value }).ok).toBe(true);
    },
  );

  test('namespaces are absolute paths', () => {
    expect(failure(environment({ CNI_NETNS: 'run/x' })).details).toContain('absolute');
    expect(failure(environment({ CNI_NETNS: '/a\nb' })).details).toContain('control');
    expect(failure(environment({ CNI_NETNS: `/${'a'.repeat(4095)}` })).details).toContain('4095');
  });

  test('everything invalid is named at once', () => {
    const { details } = failure(
      environment({ CNI_CONTAINERID: '-', CNI_IFNAME: '..', CNI_NETNS: 'x', CNI_ARGS: 'x' }),
    );
    for (const name of ['CNI_CONTAINERID', 'CNI_IFNAME', 'CNI_NETNS', 'CNI_ARGS'])
      expect(details).toContain(name);
  });

  test('a DEL does not fail for its CNI_ARGS', () => {
    expect(environment({ CNI_COMMAND: 'DEL', CNI_ARGS: 'nonsense' }).ok).toBe(true);
    expect(failure(environment({ CNI_ARGS: 'nonsense' })).code).toBe(4);
  });

  test('whatever is accepted keeps the rules of the specification and the kernel', () => {
    const name = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 4 }),
      fc.stringMatching(/^[A-Za-z0-9][\w.:/%-]{0,16}$/),
    );
    const accepted = { id: 0, ifName: 0 };
    fc.assert(
      fc.property(name, (value) => {
        const asId = environment({ CNI_CONTAINERID: value });
        if (asId.ok) {
          accepted.id++;
          expect(value).toMatch(/^[A-Za-z0-9][\w.-]*$/);
        } else expect(asId.failure.code).toBe(4);
        const asName = environment({ CNI_IFNAME: value });
        if (asName.ok) {
          accepted.ifName++;
          expect(Buffer.byteLength(value)).toBeLessThan(16);
          expect(value).not.toMatch(/^\.{1,2}$|[/:%\s\p{C}]/u);
        } else expect(asName.failure.code).toBe(4);
      }),
      { numRuns: 500 },
    );
    expect(accepted.id).toBeGreaterThan(20);
    expect(accepted.ifName).toBeGreaterThan(20);
  });
});

describe('CNI_ARGS', () => {
  test('are pairs; the last of a key counts, empty parts do not', () => {
    const parsed = parseArgs('A=1;;B=x=y;A=2;C=;');
    expect(parsed.ok && { ...parsed.value }).toEqual({ A: '2', B: 'x=y', C: '' });
  });
  test('have no inherited keys', () => {
    const parsed = parseArgs('__proto__=1');
    expect(parsed.ok && Object.keys(parsed.value)).toEqual(['__proto__']);
    expect(parsed.ok && parsed.value.constructor).toBeUndefined();
  });
  test('name the part that is no pair', () => {
    expect(failure(parseArgs('A=1;nonsense')).details).toContain('"nonsense"');
    expect(failure(parseArgs('=1')).code).toBe(4);
  });
});

describe('network configuration', () => {
  test.each(['', '{', 'nonsense', '{"a":1}x', "{'a':1}", '{"a":"\n"}'])('%j is not JSON: code 6', (text) => {
    expect(failure(parseConfig(text, 'ADD')).code).toBe(6);
  });

  test.each<[string, unknown, string]>([
    ['a list', [], 'object'],
    ['null', null, 'object'],
    ['no version', config({ cniVersion: undefined }), 'cniVersion is missing'],
    ['a version that is a number', config({ cniVersion: 1 }), 'cniVersion is 1'],
    ['no name', config({ name: undefined }), 'name is missing'],
    ['an empty name', config({ name: '' }), 'name is ""'],
    ['a name with a slash', config({ name: 'a/b' }), 'name is "a/b"'],
    ['a name that starts with a dot', config({ name: '.a' }), 'name is ".a"'],
    ['a name that is a list', config({ name: ['a'] }), 'name is ["a"]'],
    ['no type', config({ type: undefined }), 'type is missing'],
    ['a type that is an object', config({ type: {} }), 'type is {}'],
    [
      'a socket that is relative',
      config({ socket: 'agent.sock' }),
      'socket is "agent.sock"; it must be an absolute',
    ],
    ['a socket that is no text', config({ socket: 7 }), 'socket is 7'],
    ['a socket too long for the kernel', config({ socket: `/${'a'.repeat(107)}` }), 'at most 107'],
    ['a spool that is relative', config({ spool: 'x' }), 'spool is "x"'],
    ['a timeout of zero', config({ timeoutSeconds: 0 }), 'timeoutSeconds is 0'],
    ['a timeout that is too long', config({ timeoutSeconds: 601 }), 'timeoutSeconds is 601'],
    ['a timeout that is a text', config({ timeoutSeconds: '30' }), 'timeoutSeconds is "30"'],
    ['a previous result that is a list', config({ prevResult: [] }), 'prevResult is []'],
  ])('%s is refused with code 7', (_, value, words) => {
    const { code, details } = failure(checkConfig(value, 'ADD'));
    expect({ code, details }).toEqual({ code: 7, details: expect.stringContaining(words) });
  });

  test.each(['0.1.0', '0.2.0', '1.2.0', '2.0.0', 'latest'])(
    'version %s is refused with code 1',
    (cniVersion) => {
      const { code, details } = failure(checkConfig(config({ cniVersion }), 'ADD'));
      expect(code).toBe(1);
      expect(details).toContain(cniVersion);
      expect(details).toContain('0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0');
    },
  );

  test.each<[CniCommand, string]>([
    ['ADD', '0.3.0'],
    ['DEL', '0.3.0'],
    ['CHECK', '0.4.0'],
    ['GC', '1.1.0'],
    ['STATUS', '1.1.0'],
  ])('%s exists from %s on', (command, since) => {
    for (const cniVersion of SUPPORTED_VERSIONS) {
      const checked = checkConfig(
        config({ cniVersion, prevResult: {}, 'cni.dev/valid-attachments': [] }),
        command,
      );
      if (isAtLeast(cniVersion, since as '1.1.0')) expect(checked.ok).toBe(true);
      else {
        expect(failure(checked)).toMatchObject({
          code: 1,
          details: expect.stringContaining(`from CNI ${since} on`),
        });
      }
    }
  });

  test('unknown keys are kept', () => {
    const given = config({ capabilities: { portMappings: true }, later: [1, 2] });
    expect(checkConfig(given, 'ADD')).toEqual({ ok: true, value: given });
  });

  test('CHECK needs the result of ADD', () => {
    expect(failure(checkConfig(config(), 'CHECK')).details).toContain('prevResult is missing');
    expect(failure(checkConfig(config({ prevResult: null }), 'CHECK')).details).toContain(
      'prevResult is null',
    );
  });

  test('GC needs a list, because none would remove every pod', () => {
    expect(failure(checkConfig(config(), 'GC')).details).toContain('cni.dev/valid-attachments is missing');
    expect(failure(checkConfig(config({ 'cni.dev/valid-attachments': {} }), 'GC')).code).toBe(7);
    expect(
      failure(checkConfig(config({ 'cni.dev/valid-attachments': [{ containerID: 'a' }] }), 'GC')).details,
    ).toContain('cni.dev/valid-attachments[0]');
    expect(failure(checkConfig(config({ 'cni.dev/valid-attachments': [null] }), 'GC')).code).toBe(7);
  });

  test('GC takes both keys that runtimes send, and null for none', () => {
    const list = [{ containerID: 'a', ifname: 'eth0' }];
    const expected = { ok: true, value: [{ containerId: 'a', ifName: 'eth0' }] };
    expect(validAttachments({ 'cni.dev/valid-attachments': list })).toEqual(expected);
    expect(validAttachments({ 'cni.dev/attachments': list })).toEqual(expected);
    expect(validAttachments({ 'cni.dev/valid-attachments': null })).toEqual({ ok: true, value: [] });
  });

  test('no JSON value makes it throw, and every refusal says which field', () => {
    const keys = ['cniVersion', 'name', 'type', 'socket', 'spool', 'timeoutSeconds', 'prevResult'];
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom('1.1.0', '0.3.0', 'flyover', '/run/x', 30));
    const entries = fc.array(fc.tuple(fc.constantFrom(...keys, 'cni.dev/valid-attachments'), value));
    const command = fc.constantFrom<CniCommand>('ADD', 'DEL', 'CHECK', 'GC', 'STATUS');
    fc.assert(
      fc.property(entries, command, fc.boolean(), (pairs, cmd, complete) => {
        const given = { ...(complete ? config() : {}), ...Object.fromEntries(pairs) };
        const checked = parseConfig(JSON.stringify(given), cmd);
        if (checked.ok) return;
        expect([1, 7]).toContain(checked.failure.code);
        expect(keys.concat('cni.dev', cmd).some((key) => checked.failure.details.includes(key))).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});
