import { afterEach, beforeEach, expect, test } from 'vitest';
import type { KubeClient } from './client.ts';
import { bounded, EventRecorder } from './event-recorder.ts';
import { FakeApi } from './testing.ts';
import type { Event } from './types.ts';

const EVENTS = '/api/v1/events';
let api: FakeApi;
let client: KubeClient;
let now: number;
let errors: unknown[];

beforeEach(async () => {
  api = await FakeApi.start();
  client = api.client();
  now = Date.parse('2030-01-02T03:04:05.678Z');
  errors = [];
});

afterEach(async () => {
  client.close();
  await api.close();
});

function recorder(): EventRecorder {
  return new EventRecorder(client, {
    component: 'flyover-agent',
    host: 'node-1',
    now: () => now,
    onError: (error) => errors.push(error),
  });
}

const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1', uid: 'u1' } };

test('writes an event, and counts it when it comes again', async () => {
  const events = recorder();
  events.event(node, 'Warning', 'BlockMissing', 'no block');
  now += 60_000;
  events.event(node, 'Warning', 'BlockMissing', 'no block');
  events.event(node, 'Warning', 'BlockMissing', 'another text');
  await events.flush();
  const [first, second, ...rest] = api.all<Event>(EVENTS);
  expect(rest).toEqual([]);
  expect(first).toMatchObject({
    metadata: { namespace: 'default', name: expect.stringMatching(/^node-1\.[0-9a-f]{16}$/) },
    involvedObject: { apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: 'u1' },
    type: 'Warning',
    reason: 'BlockMissing',
    message: 'no block',
    count: 2,
    firstTimestamp: '2030-01-02T03:04:05Z',
    lastTimestamp: '2030-01-02T03:05:05Z',
    source: { component: 'flyover-agent', host: 'node-1' },
  });
  expect(second).toMatchObject({ count: 1, message: 'another text' });
});

test('an event that the server has forgotten is written anew; one of long ago too', async () => {
  const events = recorder();
  events.event(node, 'Normal', 'Up', 'x');
  await events.flush();
  for (const one of api.all<Event>(EVENTS)) api.remove(EVENTS, `default/${one.metadata.name}`);
  events.event(node, 'Normal', 'Up', 'x');
  now += 11 * 60_000;
  events.event(node, 'Normal', 'Up', 'x');
  await events.flush();
  expect(api.all<Event>(EVENTS).map((one) => one.count)).toEqual([1, 1]);
  expect(errors).toEqual([]);
});

test('an object in a loop drowns nobody', async () => {
  const events = recorder();
  for (let i = 0; i < 100; i++) events.event(node, 'Warning', 'Loop', `number ${i}`);
  await events.flush();
  expect(api.all(EVENTS)).toHaveLength(25);
  now += 5 * 60_000;
  events.event(node, 'Warning', 'Loop', 'later');
  await events.flush();
  expect(api.all(EVENTS)).toHaveLength(26);
});

test('a failure is told, and the next event is written', async () => {
  const events = recorder();
  api.intercept = () => ({ status: 403, body: { kind: 'Status', code: 403, message: 'no' } });
  events.event(node, 'Normal', 'A', 'a');
  await events.flush();
  api.intercept = undefined;
  events.event(node, 'Normal', 'B', 'b');
  await events.flush();
  expect(errors).toMatchObject([{ status: 403, message: 'no' }]);
  expect(api.all<Event>(EVENTS).map((one) => one.reason)).toEqual(['B']);
});

test('texts are cut to bytes, no character in the middle', () => {
  expect(bounded('é'.repeat(600), 1024)).toBe(`${'é'.repeat(510)}...`);
  expect(Buffer.byteLength(bounded('日'.repeat(600), 1024))).toBeLessThanOrEqual(1024);
  expect(bounded('short', 1024)).toBe('short');
});
