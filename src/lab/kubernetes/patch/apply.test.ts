import { describe, expect, test } from 'vitest';
import type { KubeObject } from '../schema/types.ts';
import type { StatusError } from '../server/status.ts';
import { apply, deployment, NOW, update } from './testing.ts';

const web = { name: 'web', image: 'nginx:1' };
const pods = (...containers: unknown[]) => ({ template: { spec: { containers } } });

function refusal(work: () => unknown): StatusError {
  try {
    work();
  } catch (error) {
    return error as StatusError;
  }
  throw new Error('was not refused');
}

function ownersOf(object: KubeObject): string[] {
  return (object.metadata?.managedFields ?? []).map((entry) => `${entry.manager}:${entry.operation}`);
}

function fieldsOf(object: KubeObject, manager: string): unknown {
  return object.metadata?.managedFields?.find((entry) => entry.manager === manager)?.fieldsV1;
}

describe('creating by apply', () => {
  test('owns what the configuration names and nothing of the server', () => {
    const made = apply(undefined, deployment({ replicas: 2, ...pods(web) }, { labels: { a: '1' } }), 'me');
    expect(made.spec).toEqual({ replicas: 2, ...pods(web) });
    expect(made.metadata?.managedFields).toEqual([
      {
        manager: 'me',
        operation: 'Apply',
        apiVersion: 'apps/v1',
        time: '2026-01-02T03:04:05Z',
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:metadata': { 'f:labels': { 'f:a': {} } },
          'f:spec': {
            'f:replicas': {},
            'f:template': {
              'f:spec': { 'f:containers': { 'k:{"name":"web"}': { '.': {}, 'f:image': {}, 'f:name': {} } } },
            },
          },
        },
      },
    ]);
  });

  test('again changes nothing, not even the time', () => {
    const made = apply(undefined, deployment({ replicas: 2, ...pods(web) }), 'me');
    const again = apply(made, deployment({ replicas: 2, ...pods(web) }), 'me', {
      now: new Date('2027-01-01'),
    });
    expect(again).toEqual(made);
  });

  test('leaves the status to its subresource', () => {
    const made = apply(undefined, { ...deployment({ replicas: 1 }), status: { replicas: 9 } }, 'me');
    expect(made.status).toBeUndefined();
    const status = apply(made, { ...deployment({ replicas: 5 }), status: { replicas: 1 } }, 'ctl', {
      subresource: 'status',
    });
    expect(status.spec).toEqual({ replicas: 1 });
    expect(status.metadata?.managedFields?.map((entry) => [entry.manager, entry.subresource])).toEqual([
      ['ctl', 'status'],
      ['me', undefined],
    ]);
  });
});

describe('conflicts', () => {
  const live = update(
    undefined,
    deployment({ replicas: 2, paused: false, ...pods(web) }),
    'kubectl-client-side-apply',
  );

  test('one is told in one line, with its cause', () => {
    const error = refusal(() => apply(live, deployment({ replicas: 3 }), 'me'));
    expect(error.message).toBe(
      'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas',
    );
    expect(error.toStatus()).toMatchObject({
      reason: 'Conflict',
      code: 409,
      details: {
        causes: [
          {
            reason: 'FieldManagerConflict',
            message: 'conflict with "kubectl-client-side-apply" using apps/v1',
            field: '.spec.replicas',
          },
        ],
      },
    });
  });

  test('several are told by owner', () => {
    const scaled = apply(live, deployment({ paused: true }), 'other', { force: true });
    const error = refusal(() =>
      apply(
        scaled,
        deployment({ replicas: 3, paused: false, ...pods({ name: 'web', image: 'nginx:2' }) }),
        'me',
      ),
    );
    expect(error.message).toBe(
      [
        'Apply failed with 3 conflicts: conflicts with "kubectl-client-side-apply" using apps/v1:',
        '- .spec.replicas',
        '- .spec.template.spec.containers[name="web"].image',
        'conflicts with "other":',
        '- .spec.paused',
      ].join('\n'),
    );
  });

  test('force takes the field from its owner', () => {
    const forced = apply(live, deployment({ replicas: 3 }), 'me', { force: true });
    expect(forced.spec).toMatchObject({ replicas: 3 });
    expect(fieldsOf(forced, 'me')).toEqual({ 'f:spec': { 'f:replicas': {} } });
    expect(fieldsOf(forced, 'kubectl-client-side-apply')).not.toHaveProperty(['f:spec', 'f:replicas']);
  });

  test('the same value is owned together, without a conflict', () => {
    const shared = apply(live, deployment({ replicas: 2 }), 'me');
    expect(ownersOf(shared)).toEqual(['me:Apply', 'kubectl-client-side-apply:Update']);
    expect(fieldsOf(shared, 'kubectl-client-side-apply')).toHaveProperty(['f:spec', 'f:replicas']);
  });

  test('an item that somebody else made is part of a conflict only where it differs', () => {
    const other = apply(live, deployment(pods({ name: 'side', image: 'busybox' })), 'me');
    expect(other.spec).toMatchObject(pods(web, { name: 'side', image: 'busybox' }));
  });
});

describe('fields that are no longer applied', () => {
  const two = deployment(
    { replicas: 2, ...pods(web, { name: 'side', image: 'busybox' }) },
    { labels: { a: '1', b: '2' } },
  );

  test('go when nobody else owns them', () => {
    const live = apply(undefined, two, 'me');
    const less = apply(live, deployment(pods(web), { labels: { b: '2' } }), 'me');
    expect(less.spec).toEqual(pods(web));
    expect(less.metadata?.labels).toEqual({ b: '2' });
  });

  test('stay when somebody else owns them', () => {
    const live = apply(
      apply(undefined, two, 'me'),
      deployment({ replicas: 2 }, { labels: { a: '1' } }),
      'you',
    );
    const less = apply(live, deployment(pods(web)), 'me');
    expect(less.spec).toEqual({ replicas: 2, ...pods(web) });
    expect(less.metadata?.labels).toEqual({ a: '1' });
    expect(fieldsOf(less, 'me')).not.toHaveProperty(['f:spec', 'f:replicas']);
  });

  test('what nobody applied stays, as defaults do', () => {
    const live = apply(undefined, deployment(pods(web)), 'me');
    (live.spec as Record<string, unknown>).replicas = 1;
    const same = apply(live, deployment(pods({ ...web, image: 'nginx:2' })), 'me');
    expect(same.spec).toEqual({ replicas: 1, ...pods({ ...web, image: 'nginx:2' }) });
  });

  test('of a struct all goes, so that it is defaulted again', () => {
    const live = apply(undefined, deployment({ replicas: 1, strategy: { type: 'RollingUpdate' } }), 'me');
    (live.spec as { strategy: object }).strategy = {
      type: 'RollingUpdate',
      rollingUpdate: { maxSurge: '25%' },
    };
    expect(apply(live, deployment({ replicas: 1 }), 'me').spec).toEqual({ replicas: 1 });
  });

  test('items of a set', () => {
    const live = apply(undefined, deployment({}, { finalizers: ['x/a', 'x/b'] }), 'me');
    const more = apply(live, deployment({}, { finalizers: ['x/c'] }), 'you');
    expect(more.metadata?.finalizers).toEqual(['x/a', 'x/b', 'x/c']);
    const less = apply(more, deployment({}, { finalizers: ['x/b'] }), 'me');
    expect(less.metadata?.finalizers).toEqual(['x/b', 'x/c']);
  });

  test('atomic lists and maps are replaced and owned whole', () => {
    const spec = (nodeSelector: object) => ({ template: { spec: { nodeSelector } } });
    const live = apply(undefined, deployment(spec({ a: '1', b: '2' })), 'me');
    expect(fieldsOf(live, 'me')).toEqual({
      'f:spec': { 'f:template': { 'f:spec': { 'f:nodeSelector': {} } } },
    });
    expect(apply(live, deployment(spec({ c: '3' })), 'me').spec).toEqual(spec({ c: '3' }));
    expect(refusal(() => apply(live, deployment(spec({ c: '3' })), 'you')).message).toBe(
      'Apply failed with 1 conflict: conflict with "me": .spec.template.spec.nodeSelector',
    );
  });
});

describe('what is not applied', () => {
  test.each([
    [
      'another version',
      { ...deployment({}), apiVersion: 'apps/v1beta1' },
      400,
      /^Incorrect version specified in apply patch. Specified patch version: apps\/v1beta1, expected: apps\/v1$/,
    ],
    ['managedFields', deployment({}, { managedFields: [] }), 400, /^metadata.managedFields must be nil$/],
    [
      'an unknown field',
      deployment({ foo: 1 }),
      500,
      /^failed to create typed patch object \(default\/web; apps\/v1, Kind=Deployment\): .spec.foo: field not declared in schema$/,
    ],
    [
      'a malformed field',
      deployment({ replicas: 'x' }),
      500,
      /: .spec.replicas: expected numeric \(int or float\), got string$/,
    ],
    [
      'an item without its key',
      deployment(pods({ image: 'x' })),
      500,
      /containers: element 0: associative list with keys has an element that omits key field "name"/,
    ],
    [
      'an item twice',
      deployment(pods(web, web)),
      500,
      /containers: duplicate entries for key \[name="web"\]$/,
    ],
    [
      'several mistakes',
      deployment({ foo: 1, replicas: 'x' }),
      500,
      /: errors:\n {2}.spec.foo: .*\n {2}.spec.replicas: /,
    ],
  ] as const)('%s', (_, config, code, message) => {
    const error = refusal(() => apply(undefined, config, 'me'));
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });
});

describe('from client-side to server-side apply', () => {
  const config = deployment({ replicas: 2, ...pods(web) });
  const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(config) };
  const live = update(
    undefined,
    deployment({ replicas: 2, ...pods(web) }, { annotations }),
    'kubectl-client-side-apply',
  );

  test('kubectl takes over what it wrote, and keeps the annotation right', () => {
    const applied = apply(live, deployment({ replicas: 5, ...pods(web) }), 'kubectl');
    expect(applied.spec).toMatchObject({ replicas: 5 });
    const kept = applied.metadata?.annotations?.['kubectl.kubernetes.io/last-applied-configuration'];
    expect(JSON.parse(kept ?? '')).toMatchObject({ spec: { replicas: 5 } });
  });

  test('but not what somebody changed since, and not under another name', () => {
    const scaled = update(live, deployment({ replicas: 7, ...pods(web) }, { annotations }), 'scaler');
    expect(refusal(() => apply(scaled, deployment({ replicas: 5, ...pods(web) }), 'kubectl')).message).toBe(
      'Apply failed with 1 conflict: conflict with "scaler" using apps/v1: .spec.replicas',
    );
    expect(refusal(() => apply(live, deployment({ replicas: 5 }), 'me')).code).toBe(409);
  });
});

test('the first apply to an object without books finds an owner for what was there', () => {
  const live = deployment({ replicas: 2 });
  const applied = apply(live, deployment({ paused: true }), 'me');
  expect(ownersOf(applied)).toEqual(['me:Apply', 'before-first-apply:Update']);
  expect(refusal(() => apply(live, deployment({ replicas: 3 }), 'me')).message).toContain(
    '"before-first-apply" using apps/v1: .spec.replicas',
  );
  expect(applied.metadata?.managedFields?.[1]?.time).toBe(`${NOW.toISOString().slice(0, 19)}Z`);
});
