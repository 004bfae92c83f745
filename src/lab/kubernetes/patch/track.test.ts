import { describe, expect, test } from 'vitest';
import { deployment, update } from './testing.ts';

const web = { name: 'web', image: 'nginx:1', resources: {}, ports: [{ containerPort: 80, protocol: 'TCP' }] };
const spec = {
  replicas: 2,
  strategy: { type: 'Recreate' },
  template: { metadata: { labels: { a: '1' } }, spec: { containers: [web] } },
};

describe('managedFields of a create', () => {
  test('look as upstream writes them', () => {
    const made = update(
      undefined,
      deployment(spec, { labels: { a: '1' }, uid: 'x', creationTimestamp: 'now' }),
      'kubectl-create',
    );
    expect(made.metadata?.managedFields).toEqual([
      {
        manager: 'kubectl-create',
        operation: 'Update',
        apiVersion: 'apps/v1',
        time: '2026-01-02T03:04:05Z',
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } },
          'f:spec': {
            'f:replicas': {},
            'f:strategy': { 'f:type': {} },
            'f:template': {
              'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } },
              'f:spec': {
                'f:containers': {
                  'k:{"name":"web"}': {
                    '.': {},
                    'f:image': {},
                    'f:name': {},
                    'f:ports': {
                      '.': {},
                      'k:{"containerPort":80,"protocol":"TCP"}': {
                        '.': {},
                        'f:containerPort': {},
                        'f:protocol': {},
                      },
                    },
                    'f:resources': {},
                  },
                },
              },
            },
          },
        },
      },
    ]);
  });
});

describe('managedFields of an update', () => {
  const made = update(undefined, deployment(spec), 'a');
  const managed = { managedFields: made.metadata!.managedFields! };

  test('move what changed to who changed it', () => {
    const after = update(made, deployment({ ...spec, replicas: 3 }, managed), 'b', { subresource: 'scale' });
    const [a, b] = after.metadata!.managedFields!;
    expect(b).toMatchObject({
      manager: 'b',
      subresource: 'scale',
      fieldsV1: { 'f:spec': { 'f:replicas': {} } },
    });
    expect(a!.fieldsV1).not.toHaveProperty(['f:spec', 'f:replicas']);
  });

  test('stay, time and all, when nothing changed', () => {
    const after = update(made, deployment(spec, { ...managed, resourceVersion: '7' }), 'b', {
      now: new Date('2027-01-01'),
    });
    expect(after.metadata!.managedFields).toBe(managed.managedFields);
  });

  test('are the stored ones when the client sends none', () => {
    const after = update(made, deployment(spec), 'b');
    expect(after.metadata!.managedFields).toEqual(managed.managedFields);
  });

  test('forget what is gone, and who has nothing left', () => {
    const labelled = update(made, deployment(spec, { ...managed, labels: { x: '1' } }), 'b');
    expect(labelled.metadata!.managedFields).toHaveLength(2);
    const { managedFields } = labelled.metadata!;
    const after = update(labelled, deployment(spec, { managedFields: managedFields! }), 'c');
    expect(after.metadata!.managedFields!.map((entry) => entry.manager)).toEqual(['a']);
  });

  test('are reset by one empty entry, and then nobody is tracked', () => {
    const reset = update(made, deployment(spec, { managedFields: [{}] }), 'b');
    expect(reset.metadata!.managedFields).toBeUndefined();
    expect(update(reset, deployment({ ...spec, replicas: 9 }), 'b').metadata!.managedFields).toBeUndefined();
  });

  test('may be rewritten by a client, but not with nonsense', () => {
    const renamed = [{ ...managed.managedFields[0]!, manager: 'z' }];
    expect(update(made, deployment(spec, { managedFields: renamed }), 'b').metadata!.managedFields).toEqual(
      renamed,
    );
    const nonsense = [{ manager: 'z', fieldsV1: { 'q:x': {} } }];
    expect(update(made, deployment(spec, { managedFields: nonsense }), 'b').metadata!.managedFields).toEqual(
      managed.managedFields,
    );
  });

  test('never grow beyond ten updaters', () => {
    let object = made;
    for (let i = 0; i < 30; i++)
      object = update(
        object,
        deployment(spec, { ...object.metadata, labels: { ...object.metadata!.labels, [`l${i}`]: '1' } }),
        `m${i}`,
        {
          now: new Date(Date.UTC(2026, 1, 1, 0, 0, i)),
        },
      );
    const owners = object.metadata!.managedFields!;
    expect(owners).toHaveLength(10);
    expect(owners.map((entry) => entry.manager)).toContain('ancient-changes');
    expect(owners.map((entry) => entry.manager)).toContain('m29');
  });
});
