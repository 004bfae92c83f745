import { expect, test } from 'vitest';
import { NGINX, withKubectl } from './testing-suite.ts';

type Managed = {
  metadata: { managedFields: { manager: string; operation: string; subresource?: string }[] };
};

withKubectl('kubectl apply --server-side', (suite) => {
  const owners = async (what: string) =>
    (await suite.json<Managed>(`get ${what} --show-managed-fields`)).metadata.managedFields
      .map((one) => `${one.manager} ${one.operation} ${one.subresource ?? ''}`.trim())
      .toSorted();

  test('creates, and again changes nothing', async () => {
    expect(await suite.ok('apply --server-side -f -', NGINX)).toBe(
      'deployment.apps/web serverside-applied\n',
    );
    const before = await suite.ok('get deploy web -o yaml --show-managed-fields');
    await suite.ok('apply --server-side -f -', NGINX);
    expect(await suite.ok('get deploy web -o yaml --show-managed-fields')).toBe(before);
    expect(await owners('deploy web')).toEqual(['kubectl Apply']);
  });

  test('conflicts with another manager, unless forced', async () => {
    const three = NGINX.replace('replicas: 2', 'replicas: 3');
    const refusal = await suite.refused('apply --server-side --field-manager=other -f -', three);
    expect(refusal).toContain('error: Apply failed with 1 conflict: conflict with "kubectl": .spec.replicas');
    expect(refusal).toContain('Please review the fields above--they currently have other managers.');
    await suite.ok('apply --server-side --field-manager=other --force-conflicts -f -', three);
    expect(await suite.ok(['get', 'deploy', 'web', '-o', 'jsonpath={.spec.replicas}'])).toBe('3');
    expect(await owners('deploy web')).toEqual(['kubectl Apply', 'other Apply']);
  });

  test('conflicts with an update, and says in which version', async () => {
    await suite.ok('scale deploy web --replicas=7');
    expect(
      await suite.refused(
        'apply --server-side --field-manager=other -f -',
        NGINX.replace('replicas: 2', 'replicas: 3'),
      ),
    ).toMatch(
      /Apply failed with 1 conflict: conflict with "kubectl[.\d]*" with subresource "scale" using apps\/v1: .spec.replicas/,
    );
    await suite.ok('set image deploy/web nginx=nginx:2');
    const both = await suite.refused('apply --server-side -f -', NGINX);
    expect(both).toContain('Apply failed with 2 conflicts: conflicts with "kubectl');
    expect(both).toMatch(
      /^conflicts with "kubectl[.\d]*" with subresource "scale" using apps\/v1:\n- .spec.replicas$/m,
    );
    expect(both).toMatch(
      /conflicts with "kubectl-set" using apps\/v1:\n- .spec.template.spec.containers\[name="nginx"\].image$/m,
    );
  });

  test('removes what it no longer applies', async () => {
    const cm = (data: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: ${data}\n`;
    await suite.ok('apply --server-side -f -', cm('{a: "1", b: "1"}'));
    await suite.ok('apply --server-side --field-manager=two -f -', cm('{b: "1", c: "1"}'));
    await suite.ok('apply --server-side -f -', cm('{}'));
    expect(await suite.ok(['get', 'cm', 'c', '-o', 'jsonpath={.data}'])).toBe('{"b":"1","c":"1"}');
  });

  test('takes over from client-side apply', async () => {
    const own = NGINX.replaceAll('web', 'moved');
    await suite.ok('apply -f -', own);
    expect(await owners('deploy moved')).toEqual(['kubectl-client-side-apply Update']);
    await suite.ok('apply --server-side -f -', own.replace('replicas: 2', 'replicas: 4'));
    // kubectl keeps its annotation under a name of its own.
    expect(await owners('deploy moved')).toEqual(['kubectl Apply', 'kubectl-last-applied Apply']);
    expect(await suite.ok(['get', 'deploy', 'moved', '-o', 'jsonpath={.spec.replicas}'])).toBe('4');
  });

  test('refuses what it does not know', async () => {
    expect(
      await suite.refused(
        'apply --server-side --validate=false -f -',
        NGINX.replace('replicas: 2', 'replicaz: 2'),
      ),
    ).toContain('.spec.replicaz: field not declared in schema');
  });

  test('diff --server-side', async () => {
    const { code, stdout } = await suite.run('diff --server-side --force-conflicts -f -', {
      stdin: NGINX.replaceAll('web', 'moved').replace('replicas: 2', 'replicas: 5'),
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^\+ {2}replicas: 5$/m);
  });
});
