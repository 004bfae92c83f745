import { readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { NGINX, withKubectl } from './testing-suite.ts';

const at = (suite: { json<T>(command: string): Promise<T> }) =>
  suite.json<{
    spec: { replicas: number };
    metadata: { labels?: object; annotations?: object; generation: number };
  }>('get deploy web');

withKubectl('kubectl writes', (suite) => {
  test('apply creates, leaves alone, configures; diff shows what would change', async () => {
    expect(await suite.apply(NGINX)).toBe('deployment.apps/web created\n');
    expect(await suite.apply(NGINX)).toBe('deployment.apps/web unchanged\n');
    const three = NGINX.replace('replicas: 2', 'replicas: 3');
    const diff = await suite.run('diff -f -', { stdin: three });
    expect(diff.code).toBe(1);
    expect(diff.stdout).toMatch(/^- {2}replicas: 2$/m);
    expect(diff.stdout).toMatch(/^\+ {2}replicas: 3$/m);
    expect(await suite.apply(three)).toBe('deployment.apps/web configured\n');
    expect((await at(suite)).spec.replicas).toBe(3);
    expect((await suite.run('diff -f -', { stdin: three })).code).toBe(0);
  });

  test('apply removes what is no longer in the manifest, of lists by key too', async () => {
    const two = `${NGINX}      - name: side\n        image: busybox\n`;
    await suite.apply(two.replace('labels: {app: web}\nspec', 'labels: {app: web, more: "1"}\nspec'));
    expect(
      await suite.ok(['get', 'deploy', 'web', '-o', 'jsonpath={.spec.template.spec.containers[*].name}']),
    ).toBe('nginx side');
    expect((await at(suite)).metadata.labels).toEqual({ app: 'web', more: '1' });
    await suite.apply(NGINX);
    expect(
      await suite.ok(['get', 'deploy', 'web', '-o', 'jsonpath={.spec.template.spec.containers[*].name}']),
    ).toBe('nginx');
    expect((await at(suite)).metadata.labels).toEqual({ app: 'web' });
  });

  test('create, and create again', async () => {
    expect(await suite.ok('create cm one --from-literal=a=1')).toBe('configmap/one created\n');
    expect(await suite.refused('create cm one')).toBe(
      'error: failed to create configmap: configmaps "one" already exists',
    );
    expect(
      await suite.refused('create -f -', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n'),
    ).toBe('Error from server (AlreadyExists): error when creating "STDIN": configmaps "one" already exists');
    expect(
      await suite.ok('create -f -', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: gen-}\n'),
    ).toMatch(/^configmap\/gen-[a-z0-9]{5} created$/m);
  });

  test('on trial nothing is kept', async () => {
    expect(await suite.ok('create cm trial --dry-run=server')).toBe(
      'configmap/trial created (server dry run)\n',
    );
    await suite.refused('get cm trial');
    expect(await suite.ok('scale deploy/web --replicas=9 --dry-run=server')).toContain(
      'scaled (server dry run)',
    );
    expect((await at(suite)).spec.replicas).toBe(2);
    await suite.ok('delete cm one --dry-run=server');
    await suite.ok('get cm one');
  });

  test('patch: strategic, merge, JSON', async () => {
    await suite.ok([
      'patch',
      'deploy',
      'web',
      '-p',
      '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"busybox"}]}}}}',
    ]);
    expect(
      await suite.ok(['get', 'deploy', 'web', '-o', 'jsonpath={.spec.template.spec.containers[*].name}']),
    ).toBe('side nginx');
    await suite.ok(['patch', 'deploy', 'web', '--type=merge', '-p', '{"spec":{"replicas":5,"paused":true}}']);
    expect((await at(suite)).spec.replicas).toBe(5);
    await suite.ok([
      'patch',
      'deploy',
      'web',
      '--type=json',
      '-p',
      '[{"op":"remove","path":"/spec/paused"},{"op":"replace","path":"/spec/replicas","value":1}]',
    ]);
    expect((await at(suite)).spec).toMatchObject({ replicas: 1 });
    expect(await suite.ok(['patch', 'deploy', 'web', '-p', '{"spec":{"replicas":1}}'])).toBe(
      'deployment.apps/web patched (no change)\n',
    );
    expect(
      await suite.refused([
        'patch',
        'deploy',
        'web',
        '--type=json',
        '-p',
        '[{"op":"remove","path":"/spec/none"}]',
      ]),
    ).toMatch(/^The request is invalid: /);
    await suite.ok([
      'patch',
      'deploy',
      'web',
      '--subresource=status',
      '--type=merge',
      '-p',
      '{"status":{"replicas":1}}',
    ]);
    expect(await suite.ok(['get', 'deploy', 'web', '-o', 'jsonpath={.status.replicas}'])).toBe('1');
  });

  test('edit', async () => {
    const editor = suite.file('editor.sh', '#!/bin/sh\nsed -i "s/replicas: 1$/replicas: 4/" "$1"\n');
    expect(await suite.ok('edit deploy web', '', { env: { KUBE_EDITOR: editor } })).toBe(
      'deployment.apps/web edited\n',
    );
    expect((await at(suite)).spec.replicas).toBe(4);
    const bad = suite.file(
      'bad-editor.sh',
      '#!/bin/sh\nif grep -q "replicas: 4$" "$1"; then sed -i "s/replicas: 4$/replicas: -4/" "$1"; fi\n',
    );
    // What is wrong stands in the file, which the editor gets again.
    const refusal = await suite.refused('edit deploy web', '', { env: { KUBE_EDITOR: bad } });
    expect(refusal).toContain('deployments.apps "web" is invalid');
    const copy = /stored to "(.+)"/.exec(refusal)?.[1] ?? '';
    expect(readFileSync(copy, 'utf8')).toContain(
      'spec.replicas: Invalid value: -4: must be greater than or equal to 0',
    );
    rmSync(copy);
  });

  test('replace, also by force', async () => {
    const live = await suite.ok('get cm one -o yaml');
    expect(await suite.ok('replace -f -', live.replace('a: "1"', 'a: "2"'))).toBe('configmap/one replaced\n');
    expect(await suite.refused('replace -f -', live.replace('a: "1"', 'a: "3"'))).toMatch(
      /Error from server \(Conflict\): .*Operation cannot be fulfilled on configmaps "one": the object has been modified; please apply your changes to the latest version and try again/,
    );
    expect(
      await suite.ok(
        'replace --force -f -',
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {b: "1"}\n',
      ),
    ).toContain('configmap/one replaced');
    expect(await suite.ok(['get', 'cm', 'one', '-o', 'jsonpath={.data}'])).toBe('{"b":"1"}');
  });

  test('label and annotate', async () => {
    expect(await suite.ok('label cm one a=1 b=2')).toBe('configmap/one labeled\n');
    expect(await suite.refused('label cm one a=2')).toContain(
      `'a' already has a value (1), and --overwrite is false`,
    );
    await suite.ok('label cm one a=2 b- --overwrite');
    await suite.ok('annotate cm one note=hello');
    expect(await suite.json('get cm one')).toMatchObject({
      metadata: { labels: { a: '2' }, annotations: { note: 'hello' } },
    });
    expect(await suite.refused('label cm one x=_bad_')).toMatch(/invalid label value|Invalid value: "_bad_"/);
  });

  test('kustomize', async () => {
    const file = suite.file(
      'kustom/kustomization.yaml',
      'namePrefix: k-\nresources: [cm.yaml]\nconfigMapGenerator:\n- name: made\n  literals: [x=1]\n',
    );
    suite.file('kustom/cm.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kus}\n');
    expect(await suite.ok(['apply', '-k', dirname(file)])).toMatch(/configmap\/k-kus created/);
    expect(await suite.ok('get cm -o name')).toMatch(/configmap\/k-made-[a-z0-9]{10}/);
    rmSync(dirname(file), { recursive: true });
  });

  test('apply --prune and set-last-applied', async () => {
    const one = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: p1, labels: {prune: "1"}}\n';
    await suite.apply(`${one}---\n${one.replace('p1', 'p2')}`);
    expect(
      await suite.ok('apply -f - --prune -l prune=1 --prune-allowlist=core/v1/ConfigMap', one),
    ).toContain('configmap/p2 pruned');
    expect(await suite.ok('apply view-last-applied cm p1')).toContain('prune: "1"');
  });

  test('delete: at once, with grace, by label, from a file', async () => {
    await suite.apply(
      'apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {x: "1"}}\nspec: {nodeName: n1, containers: [{name: c, image: i}]}\n',
    );
    expect(await suite.ok('delete pod p --wait=false')).toBe('pod "p" deleted\n');
    expect(await suite.json('get pod p')).toMatchObject({ metadata: { deletionGracePeriodSeconds: 30 } });
    expect((await suite.run('delete pod p --force --grace-period=0')).stdout).toBe('pod "p" force deleted\n');
    await suite.refused('get pod p');
    expect(await suite.ok('delete cm p1')).toBe('configmap "p1" deleted\n');
    await suite.ok('delete cm -l a=2');
    await suite.refused('get cm one');
    expect(await suite.ok('delete -f -', NGINX)).toBe('deployment.apps "web" deleted\n');
    expect(await suite.ok('delete -f - --ignore-not-found', NGINX)).toBe('');
    expect(await suite.refused('delete -f -', NGINX)).toContain(
      'Error from server (NotFound): error when deleting "STDIN": deployments.apps "web" not found',
    );
  });

  test('cascades say what they want of dependents', async () => {
    await suite.apply(NGINX);
    await suite.ok('delete deploy web --cascade=foreground --wait=false');
    expect(await suite.json('get deploy web')).toMatchObject({
      metadata: { finalizers: ['foregroundDeletion'] },
    });
    await suite.ok(['patch', 'deploy', 'web', '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
    await suite.refused('get deploy web');
    await suite.apply(NGINX);
    await suite.ok('delete deploy web --cascade=orphan --wait=false');
    expect(await suite.json('get deploy web')).toMatchObject({ metadata: { finalizers: ['orphan'] } });
  });
});
