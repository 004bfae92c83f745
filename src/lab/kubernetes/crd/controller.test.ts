import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { KindInfo } from '../schema/types.ts';
import type { AdmissionRequest } from '../server/types.ts';
import { type CrdPlugin, crdPlugin } from './plugin.ts';
import { crd, Kinds, MemoryAccess, SCHEMA } from './testing.ts';
import { CLEANUP, CRDS, type Crd } from './types.ts';

const WIDGETS = { group: 'example.com', plural: 'widgets' };
const crdKind = { ...CRDS, version: 'v1', kind: 'CustomResourceDefinition', builtin: true } as KindInfo;

let kinds: Kinds;
let access: MemoryAccess;
let plugin: CrdPlugin;
beforeEach(() => {
  kinds = new Kinds();
  access = new MemoryAccess();
  plugin = crdPlugin(kinds);
  plugin.start(access);
});

const stored = (name = 'widgets.example.com') => access.get(CRDS, undefined, name) as Crd | undefined;
const conditions = (name?: string) =>
  Object.fromEntries(
    (stored(name)?.status?.conditions ?? []).map((one) => [one.type, `${one.status} ${one.reason}`]),
  );
const admission = (request: Partial<AdmissionRequest>): AdmissionRequest => ({
  operation: 'CREATE',
  kind: crdKind,
  namespace: undefined,
  name: 'widgets.example.com',
  subresource: undefined,
  identity: { name: 'me', groups: [] },
  dryRun: false,
  warnings: [],
  ...request,
});

test('a definition is served at once, and says so', async () => {
  await access.create(CRDS, crd());
  expect(kinds.list).toMatchObject([
    {
      group: 'example.com',
      version: 'v1',
      kind: 'Widget',
      listKind: 'WidgetList',
      singular: 'widget',
      shortNames: ['wg'],
      namespaced: true,
      builtin: false,
    },
  ]);
  expect(conditions()).toEqual({
    NamesAccepted: 'True NoConflicts',
    Established: 'True InitialNamesAccepted',
  });
  expect(stored()?.status).toMatchObject({
    storedVersions: ['v1'],
    acceptedNames: { plural: 'widgets', kind: 'Widget', singular: 'widget', listKind: 'WidgetList' },
  });
});

test('definitions are served again after a restart', async () => {
  await access.create(CRDS, crd());
  const after = new Kinds();
  crdPlugin(after).start(access);
  expect(after.list.map((kind) => kind.plural)).toEqual(['widgets']);
});

test('versions come and go; what was stored is remembered', async () => {
  await access.create(CRDS, crd());
  const v1 = { ...crd().spec.versions[0]!, storage: false };
  const v2 = {
    ...v1,
    name: 'v2',
    storage: true,
    subresources: {
      status: {},
      scale: { specReplicasPath: '.spec.size', statusReplicasPath: '.status.size' },
    },
  };
  await access.update(CRDS, { ...stored()!, spec: { ...crd().spec, versions: [v1, v2] } });
  expect(kinds.list.map((kind) => [kind.version, kind.subresources.map((one) => one.name)])).toEqual([
    ['v1', []],
    ['v2', ['status', 'scale']],
  ]);
  expect(stored()?.status?.storedVersions).toEqual(['v1', 'v2']);
  await access.update(CRDS, {
    ...stored()!,
    spec: { ...crd().spec, versions: [{ ...v1, served: false }, v2] },
  });
  expect(kinds.list.map((kind) => kind.version)).toEqual(['v2']);
});

test('a name that is taken is not given, until it is free', async () => {
  await access.create(CRDS, crd());
  const other = crd(SCHEMA, {}, { names: { plural: 'gadgets', kind: 'Gadget', shortNames: ['wg'] } });
  await access.create(CRDS, { ...other, metadata: { name: 'gadgets.example.com' } });
  expect(conditions('gadgets.example.com')).toEqual({
    NamesAccepted: 'False ShortNamesConflict',
    Established: 'False NotAccepted',
  });
  expect(kinds.list.map((kind) => kind.plural)).toEqual(['widgets']);
  await access.delete(CRDS, undefined, 'widgets.example.com');
  await vi.waitFor(() => expect(kinds.list.map((kind) => kind.plural)).toEqual(['gadgets']));
  expect(conditions('gadgets.example.com')).toMatchObject({ Established: 'True InitialNamesAccepted' });
});

describe('deletion', () => {
  const widget = (name: string, finalizers: string[] = []) => ({
    apiVersion: 'example.com/v1',
    kind: 'Widget',
    metadata: { name, namespace: 'default', finalizers },
  });
  /** As the pipeline deletes: admission first, which may add finalizers. */
  const deleteCrd = async () => {
    const live = stored()!;
    plugin.admit(admission({ operation: 'DELETE', oldObject: live }), access);
    access.objects.set(`${CRDS.group}/${CRDS.plural}//widgets.example.com`, live);
    await access.delete(CRDS, undefined, 'widgets.example.com');
  };

  test('removes the objects, then the definition, then the kind', async () => {
    await access.create(CRDS, crd());
    await access.create(WIDGETS, widget('a'));
    await access.create(WIDGETS, widget('b'));
    await deleteCrd();
    await vi.waitFor(() => expect(stored()).toBeUndefined());
    expect(access.list(WIDGETS)).toEqual([]);
    expect(kinds.list).toEqual([]);
  });

  test('waits for objects that somebody holds, and takes no new ones', async () => {
    await access.create(CRDS, crd());
    await access.create(WIDGETS, widget('held', ['example.com/hold']));
    await deleteCrd();
    await vi.waitFor(() =>
      expect(access.get(WIDGETS, 'default', 'held')?.metadata?.deletionTimestamp).toBeDefined(),
    );
    expect(stored()?.metadata?.finalizers).toEqual([CLEANUP]);
    expect(conditions()).toMatchObject({ Terminating: 'True InstanceDeletionInProgress' });
    expect(() => plugin.admit(admission({ kind: kinds.list[0]! }), access)).toThrow(
      'create not allowed while custom resource definition is terminating',
    );
    const held = access.get(WIDGETS, 'default', 'held')!;
    await access.update(WIDGETS, { ...held, metadata: { ...held.metadata, finalizers: [] } });
    await vi.waitFor(() => expect(stored()).toBeUndefined());
  });

  test('goes on after a restart', async () => {
    await access.create(WIDGETS, widget('a'));
    await access.create(CRDS, {
      ...crd(),
      metadata: {
        name: 'widgets.example.com',
        finalizers: [CLEANUP],
        deletionTimestamp: '2026-01-01T00:00:00Z',
      },
    });
    await vi.waitFor(() => expect(stored()).toBeUndefined());
    expect(access.list(WIDGETS)).toEqual([]);
  });
});

describe('the pipeline', () => {
  test('defaults and checks custom objects', async () => {
    await access.create(CRDS, crd());
    const kind = kinds.list[0]!;
    const object = {
      apiVersion: 'example.com/v1',
      kind: 'Widget',
      metadata: { name: 'a' },
      spec: { size: 11 },
    };
    plugin.applyDefaults(kind, object);
    expect(object.spec).toEqual({ size: 11, color: 'red' });
    expect(plugin.validateCreate(kind, object)).toEqual([
      {
        field: 'spec.size',
        type: 'FieldValueInvalid',
        message: 'Invalid value: 11: spec.size in body should be less than or equal to 10',
      },
    ]);
  });

  test('completes definitions, and warns of what is not enforced', () => {
    const one = crd({ type: 'object', 'x-kubernetes-validations': [{ rule: 'self.x > 1' }] });
    plugin.applyDefaults(crdKind, one);
    expect(one.spec).toMatchObject({
      names: { singular: 'widget', listKind: 'WidgetList' },
      conversion: { strategy: 'None' },
    });
    const request = admission({ object: one });
    plugin.admit(request, access);
    expect(request.warnings).toEqual([
      expect.stringContaining('x-kubernetes-validations are kept but not enforced'),
    ]);
  });

  test('lets other kinds alone', () => {
    const pods = { group: '', version: 'v1', plural: 'pods', builtin: true } as KindInfo;
    expect(plugin.concerns(pods)).toBe(false);
    expect(plugin.validateCreate(pods, {})).toEqual([]);
    expect(() => plugin.admit(admission({ kind: pods }), access)).not.toThrow();
  });
});
