import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { resourceId, TYPES } from './ids.ts';
import { ResourceStore } from './store.ts';
import type { Host } from './types.ts';

const host = (name: string, address = '203.0.113.4') => ({
  id: resourceId(TYPES.host, [name]),
  type: TYPES.host,
  provisioningState: 'Succeeded' as const,
  properties: { place: { kind: 'internet' }, address } satisfies Host,
});

describe('resource store', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fly-test-store-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('finds a resource by its id without regard to case, and keeps the case of its creator', () => {
    const store = new ResourceStore(':memory:');
    const { id } = store.put(host('web'));
    expect(store.get(id.toUpperCase())?.id).toBe(id);
    expect(store.get(id)?.name).toBe('web');
  });

  test('lists by type, oldest first, and only the children of a resource', () => {
    const store = new ResourceStore(':memory:');
    for (const [cluster, node] of [
      ['b', '1'],
      ['a', '1'],
      ['b', '2'],
    ] as const) {
      store.put({
        id: resourceId(TYPES.machine, [cluster, node]),
        type: TYPES.machine,
        provisioningState: 'Creating',
        properties: {},
      });
    }
    const under = store.list(TYPES.machine, resourceId(TYPES.cluster, ['B'])).map((r) => r.id);
    expect(under).toEqual([resourceId(TYPES.machine, ['b', '1']), resourceId(TYPES.machine, ['b', '2'])]);
  });

  test('a transaction that throws leaves nothing behind', () => {
    const store = new ResourceStore(':memory:');
    expect(() =>
      store.transaction(() => {
        store.put(host('web'));
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(store.list(TYPES.host)).toEqual([]);
  });

  test('a transaction within another is a part of it', () => {
    const store = new ResourceStore(':memory:');
    store.transaction(() => {
      store.put(host('web'));
      store.transaction(() => store.put(host('api')));
    });
    expect(store.list(TYPES.host)).toHaveLength(2);
    expect(() =>
      store.transaction(() => {
        store.transaction(() => store.put(host('late')));
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(store.list(TYPES.host)).toHaveLength(2);
    store.transaction(() => store.delete(host('web').id));
    expect(store.list(TYPES.host)).toHaveLength(1);
  });

  test('a transaction that would go on after a wait is refused and leaves nothing behind', () => {
    const store = new ResourceStore(':memory:');
    expect(() => store.transaction(async () => store.put(host('web')))).toThrow('must be synchronous');
    expect(store.list(TYPES.host)).toEqual([]);
  });

  test('keeps the order of creation when the clock goes back, and through changes', () => {
    const store = new ResourceStore(':memory:');
    vi.useFakeTimers({ now: 2000 });
    store.put(host('first'));
    vi.setSystemTime(1000);
    store.put(host('second'));
    vi.useRealTimers();
    store.setState(host('first').id, 'Updating');
    expect(store.list(TYPES.host).map(({ name }) => name)).toEqual(['first', 'second']);
  });

  test('its files are for their owner alone', () => {
    const store = new ResourceStore(join(folder, 'lab.sqlite'));
    store.put(host('web'));
    const modes = readdirSync(folder).map((name) => statSync(join(folder, name)).mode & 0o777);
    expect(modes.length).toBeGreaterThan(1);
    expect(new Set(modes)).toEqual(new Set([0o600]));
    store.close();
  });

  test('setState keeps the properties and drops a former error', () => {
    const store = new ResourceStore(':memory:');
    const { id } = store.put(host('web'));
    store.setState(id, 'Failed', 'why');
    expect(store.get(id)).toMatchObject({ provisioningState: 'Failed', error: 'why' });
    store.setState(id, 'Succeeded');
    expect(store.get(id)).toMatchObject({
      provisioningState: 'Succeeded',
      properties: { address: '203.0.113.4' },
    });
    expect(store.get(id)?.error).toBeUndefined();
  });

  test('what was acknowledged is there after kill -9', async () => {
    const path = join(folder, 'lab.sqlite');
    const script = `
      const { ResourceStore } = await import(${JSON.stringify(join(import.meta.dirname, 'store.ts'))});
      const { resourceId, TYPES } = await import(${JSON.stringify(join(import.meta.dirname, 'ids.ts'))});
      const store = new ResourceStore(${JSON.stringify(path)});
      for (let i = 0; ; i++) {
        store.put({ id: resourceId(TYPES.host, ['h' + i]), type: TYPES.host, provisioningState: 'Succeeded', properties: {} });
        process.stdout.write(i + '\\n');
      }`;
    const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.setEncoding('utf8');
    for await (const chunk of child.stdout) {
      said += chunk;
      if (said.split('\n').length > 50 && !child.killed) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    const acknowledged = said.split('\n').slice(0, -1).length;
    const store = new ResourceStore(path);
    expect(acknowledged).toBeGreaterThan(49);
    expect(store.list(TYPES.host).length).toBeGreaterThanOrEqual(acknowledged);
  });
});
