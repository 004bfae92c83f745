import { expect, test } from 'vitest';
import type { KubeClient } from '../../../kube/client.ts';
import { KubeError } from '../../../kube/error.ts';
import { testPod } from '../testing-pods.ts';
import { StatusWriter } from './status-writer.ts';

/** An API server that takes statuses, and refuses as long as the test says so. */
function server(refusals: Error[] = []) {
  const taken: { status: Record<string, unknown>; metadata: object }[] = [];
  const client = {
    patch: async (_type: unknown, _key: unknown, body: (typeof taken)[number]) => {
      const refusal = refusals.shift();
      if (refusal) throw refusal;
      taken.push(body);
    },
  };
  return { taken, writer: new StatusWriter(client as unknown as KubeClient, () => undefined) };
}

test('many changes of a status become one write of what differs, and nothing is written twice', async () => {
  const { taken, writer } = server();
  const pod = testPod();
  for (const phase of ['Pending', 'Running', 'Failed', 'Running'])
    writer.set(pod, { phase, hostIP: '1.1.1.1' });
  await writer.flush('u');
  expect(taken).toEqual([{ metadata: { uid: 'u' }, status: { phase: 'Running', hostIP: '1.1.1.1' } }]);
  writer.set(pod, { phase: 'Running', hostIP: '1.1.1.1' });
  await writer.flush('u');
  writer.set(pod, { phase: 'Succeeded', hostIP: '1.1.1.1' });
  await writer.flush('u');
  expect(taken.slice(1)).toEqual([{ metadata: { uid: 'u' }, status: { phase: 'Succeeded' } }]);
});

test('an API server that is away gets the last status when it is back', async () => {
  const { taken, writer } = server([new Error('connect ECONNREFUSED')]);
  writer.set(testPod(), { phase: 'Running' });
  await writer.flush('u');
  expect(taken).toHaveLength(1);
});

test('a pod that is gone is not asked for again', async () => {
  const { taken, writer } = server([new KubeError({ status: 404, message: 'not found' })]);
  writer.set(testPod(), { phase: 'Running' });
  await writer.flush('u');
  expect(taken).toEqual([]);
});

test('what the API server has already is not written, and what others say of the pod stays', async () => {
  const { taken, writer } = server();
  const ready = { type: 'Ready', status: 'True' };
  const status = { phase: 'Running', conditions: [ready, { type: 'mine/x', status: 'True' }] };
  const pod = testPod({}, { status });
  writer.set(pod, { phase: 'Running', conditions: [ready] });
  await writer.flush('u');
  expect(taken).toEqual([]);
  expect(writer.view(pod).object.status?.conditions?.map(({ type }) => type)).toEqual(['Ready', 'mine/x']);
});
