import { once } from 'node:events';
import { beforeAll, expect, test } from 'vitest';
import { NGINX, withKubectl } from './testing-suite.ts';

withKubectl('kubectl get', (suite) => {
  beforeAll(async () => {
    await suite.apply(NGINX);
    await suite.apply(
      ['b', 'a', 'c']
        .map(
          (name, i) =>
            `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, labels: {tier: t${i % 2}, all: "1"}}\ndata: {weight: "${3 - i}", x: "1"}\n`,
        )
        .join('---\n'),
    );
    await suite.ok('create namespace other');
    await suite.ok('create configmap -n other d --from-literal=weight=9');
  });

  test('a table, as wide as asked for', async () => {
    const [head, row] = (await suite.ok('get deployments')).split('\n');
    expect(head).toMatch(/^NAME +READY +UP-TO-DATE +AVAILABLE +AGE$/);
    expect(row).toMatch(/^web +0\/2 +0 +0 +\d+s$/);
    const [wide, wideRow] = (await suite.ok('get deploy/web -o wide')).split('\n');
    expect(wide).toMatch(/AGE +CONTAINERS +IMAGES +SELECTOR$/);
    expect(wideRow).toMatch(/nginx +nginx:1.25 +app=web$/);
  });

  test('names, labels, kinds', async () => {
    expect(await suite.ok('get cm a b -o name')).toBe('configmap/a\nconfigmap/b\n');
    expect(await suite.ok('get cm a --show-labels --no-headers')).toMatch(/all=1,tier=t1/);
    expect(await suite.ok('get cm -L tier')).toMatch(/TIER\n/);
    expect(await suite.ok('get cm,deploy --show-kind --no-headers')).toMatch(/deployment.apps\/web/);
  });

  test('yaml and json', async () => {
    const yaml = await suite.ok('get deploy web -o yaml');
    expect(yaml).toContain('kind: Deployment\nmetadata:\n');
    expect(yaml).not.toContain('managedFields');
    expect(await suite.ok('get deploy web -o yaml --show-managed-fields')).toContain('f:replicas: {}');
    const list = await suite.json<{ kind: string; items: unknown[] }>('get cm -l all=1');
    expect(list.kind).toBe('List');
    expect(list.items).toHaveLength(3);
  });

  test('jsonpath, go-template and custom columns', async () => {
    expect(
      await suite.ok(['get', 'deploy', 'web', '-o', 'jsonpath={.spec.template.spec.containers[0].image}']),
    ).toBe('nginx:1.25');
    expect(
      await suite.ok([
        'get',
        'cm',
        '-l',
        'all',
        '-o',
        'jsonpath={range .items[*]}{.metadata.name}={.data.weight} {end}',
      ]),
    ).toBe('a=2 b=3 c=1 ');
    expect(await suite.ok(['get', 'cm', 'a', '-o', 'go-template={{.data.weight}}'])).toBe('2');
    expect(await suite.ok('get cm a -o custom-columns=N:.metadata.name,W:.data.weight')).toMatch(
      /^N +W\na +2\n$/,
    );
  });

  test('sorted, selected, of all namespaces, in pages', async () => {
    expect(await suite.ok('get cm -l all --sort-by=.data.weight -o name')).toBe(
      'configmap/c\nconfigmap/a\nconfigmap/b\n',
    );
    expect(await suite.ok(['get', 'cm', '-l', 'tier in (t1)', '-o', 'name'])).toBe('configmap/a\n');
    expect(await suite.ok('get cm -l tier!=t1,all -o name')).toBe('configmap/b\nconfigmap/c\n');
    expect(await suite.ok('get cm --field-selector metadata.name=c -o name')).toBe('configmap/c\n');
    expect(await suite.ok('get cm -A --no-headers')).toMatch(/^other +d +1 /m);
    expect(await suite.ok('get cm -A --field-selector metadata.namespace=other -o name')).toMatch(
      /configmap\/d/,
    );
    expect((await suite.ok('get cm -l all --chunk-size=1 -o name')).split('\n')).toHaveLength(4);
  });

  test('what is not there', async () => {
    expect(await suite.refused('get cm none')).toBe(
      'Error from server (NotFound): configmaps "none" not found',
    );
    expect(await suite.ok('get cm none --ignore-not-found')).toBe('');
    expect(await suite.refused('get nonsense')).toContain(
      `the server doesn't have a resource type "nonsense"`,
    );
    expect((await suite.run('get pods')).stderr).toBe('No resources found in default namespace.\n');
    expect(await suite.refused('get cm --field-selector data.x=1')).toContain(
      'field label not supported: data.x',
    );
  });

  test('watched', async () => {
    const watch = suite.start('get cm -l watched --watch --no-headers --output-watch-events');
    // Pieces come as they like: kubectl writes cell by cell.
    let output = '';
    watch.stdout!.on('data', (text: Buffer) => {
      output += text.toString();
    });
    let said = '';
    watch.stderr!.on('data', (text: Buffer) => {
      said += text.toString();
    });
    const ended = once(watch, 'close').then(() => {
      throw new Error(`the watch ended after ${output}: ${said}`);
    });
    ended.catch(() => {});
    const seen = async (pattern: RegExp) => {
      while (!pattern.test(output)) await Promise.race([once(watch.stdout!, 'data'), ended]);
    };
    await suite.ok('create cm w0');
    await suite.ok('label cm w0 watched=1');
    await seen(/^ADDED +w0 +0/m);
    await suite.ok(['patch', 'cm', 'w0', '--type=merge', '-p', '{"data":{"a":"1"}}']);
    await seen(/^MODIFIED +w0 +1/m);
    await suite.ok('delete cm w0');
    await seen(/^DELETED +w0/m);
    watch.kill();
  });

  test('described', async () => {
    const text = await suite.ok('describe deployment web');
    expect(text).toMatch(/^Name: +web$/m);
    expect(text).toMatch(/Image: +nginx:1.25/);
    expect(text).toMatch(/StrategyType: +RollingUpdate/);
    expect(await suite.ok('describe cm a')).toContain('weight:\n----\n2');
    expect(await suite.ok('describe ns default')).toMatch(/Status: +Active/);
  });

  test('raw', async () => {
    expect(JSON.parse(await suite.ok('get --raw /api/v1/namespaces/default'))).toMatchObject({
      kind: 'Namespace',
      apiVersion: 'v1',
    });
    expect(await suite.ok('get --raw /readyz')).toBe('ok');
    expect(await suite.ok(['get', '--raw', '/livez?verbose'])).toContain('[+]ping ok');
    expect(JSON.parse(await suite.ok('get --raw /version'))).toMatchObject({ major: '1', minor: '33' });
    expect(await suite.refused('get --raw /apis/none')).toContain('Error from server (NotFound)');
  });
});
