import { describe, expect, test } from 'vitest';
import type { CriClient } from '../cri.ts';
import { POD_NAME, POD_NAMESPACE, POD_UID } from '../labels.ts';
import { PodPaths } from '../paths.ts';
import { exited, testContainer, testPod, testRuntime } from '../testing-pods.ts';
import { garbage } from './collect.ts';
import { RuntimeCache } from './runtime-cache.ts';

const labels = { [POD_UID]: 'u', [POD_NAMESPACE]: 'n', [POD_NAME]: 'p' };
const sandbox = (state: number) => ({
  id: 's',
  metadata: { attempt: 0 },
  state,
  createdAt: '1000000',
  labels,
});
const container = (state: number) => ({
  id: 'c',
  podSandboxId: 's',
  state,
  labels,
  annotations: {},
  metadata: { name: 'c' },
});

/** A runtime whose answers the test gives one by one. */
function scripted(answers: { sandboxes: object[]; containers: object[] }[]) {
  const asked: string[] = [];
  const turns = answers.map((answer) => ({ ...answer, left: 2 }));
  const next = (key: 'sandboxes' | 'containers') => {
    const turn = turns.find((each) => each.left > 0 && each[key] !== undefined)!;
    turn.left--;
    return turn[key];
  };
  const cri = {
    listPodSandbox: async () => next('sandboxes'),
    listContainers: async () => next('containers'),
    podSandboxStatus: async () => ({ status: { network: { ip: '10.1.0.2', additionalIps: [] } } }),
    containerStatus: async (id: string) => {
      asked.push(id);
      return {
        status: {
          state: 1,
          createdAt: '1000000',
          startedAt: '2000000',
          finishedAt: '0',
          exitCode: 0,
          reason: '',
          message: '',
          imageRef: '',
          logPath: '',
        },
      };
    },
  };
  return { cache: new RuntimeCache(cri as unknown as CriClient, new PodPaths('/x', '/y')), asked };
}

const pod = testPod();

describe('the view of the runtime', () => {
  test('tells of changes once, and asks only for what is new', async () => {
    const same = { sandboxes: [sandbox(0)], containers: [container(1)] };
    const { cache, asked } = scripted([
      same,
      same,
      { sandboxes: [sandbox(1)], containers: [container(1)] },
      { sandboxes: [], containers: [] },
    ]);
    const changes: string[] = [];
    cache.on('changed', (uid) => changes.push(uid));
    await cache.relist();
    expect(cache.get('u')).toMatchObject({
      sandboxes: [{ ready: true, addresses: ['10.1.0.2'] }],
      containers: [{ id: 'c', state: 'running', startedAt: 2 }],
    });
    await cache.relist();
    expect([changes, asked]).toEqual([['u'], ['c']]);
    await cache.relist();
    expect([cache.get('u')?.sandboxes[0]?.ready, asked]).toEqual([false, ['c']]);
    await cache.relist();
    expect([cache.get('u'), changes]).toEqual([undefined, ['u', 'u', 'u']]);
  });

  test('is not set back by an older look that ends later', async () => {
    let release = () => {};
    const late = new Promise<void>((resolve) => {
      release = resolve;
    });
    let first = true;
    const cri = {
      listPodSandbox: async () => {
        if (!first) return [];
        first = false;
        await late;
        return [sandbox(0)];
      },
      listContainers: async () => [],
      podSandboxStatus: async () => ({ status: {} }),
    };
    const slow = new RuntimeCache(cri as unknown as CriClient, new PodPaths('/x', '/y'));
    const relist = slow.relist();
    await slow.refresh(pod);
    release();
    await relist;
    expect(slow.get('u')).toBeUndefined();
  });
});

test('garbage is all but the current container and the one before, and sandboxes without any', () => {
  const spec = { name: 'c', image: 'i' };
  const all = [
    testContainer(spec),
    testContainer(spec, exited(1, { sandboxId: 's1' })),
    testContainer(spec, exited(2, { sandboxId: 's2' })),
    testContainer({ name: 'd', image: 'i' }, exited(0, { sandboxId: 's2' })),
  ];
  const box = (id: string, ready = false) => ({ id, attempt: 0, ready, createdAt: 0, addresses: [] });
  const found = garbage(testRuntime(all, [box('s0', true), box('s1'), box('s2'), box('s3')]));
  expect(found.containers).toEqual([all[2]]);
  expect(found.sandboxes.map((each) => each.id)).toEqual(['s3']);
});
