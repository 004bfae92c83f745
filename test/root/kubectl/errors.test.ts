import { expect, test } from 'vitest';
import { NGINX, withKubectl } from './testing-suite.ts';

const pod = (spec: string, name = 'p') =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec: ${spec}\n`;

withKubectl('bad manifests', (suite) => {
  test('unknown and malformed fields', async () => {
    expect(await suite.refused('create -f -', NGINX.replace('replicas: 2', 'replicaz: 2'))).toBe(
      'Error from server (BadRequest): error when creating "STDIN": Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.replicaz"',
    );
    expect(await suite.refused('create -f -', NGINX.replace('replicas: 2', 'replicas: many'))).toBe(
      'Error from server (BadRequest): error when creating "STDIN": Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    );
    const warned = await suite.run('create -f - --validate=warn', {
      stdin: NGINX.replace('replicas: 2', 'replicaz: 2'),
    });
    expect(warned.stderr).toContain('Warning: unknown field "spec.replicaz"');
    expect(warned.stdout).toBe('deployment.apps/web created\n');
    const ignored = await suite.run('apply -f - --validate=ignore', {
      stdin: NGINX.replace('replicas: 2', 'replicaz: 2'),
    });
    expect(ignored.stderr).not.toContain('replicaz');
  });

  test('invalid values, one and several', async () => {
    expect(await suite.refused('create -f -', pod('{containers: []}'))).toBe(
      'The Pod "p" is invalid: spec.containers: Required value',
    );
    expect(await suite.refused('create -f -', pod('{containers: [{name: A_B, image: i}]}'))).toContain(
      'The Pod "p" is invalid: spec.containers[0].name: Invalid value: "A_B": a lowercase RFC 1123 label must consist of',
    );
    const two = await suite.refused(
      'create -f -',
      pod('{restartPolicy: Often, containers: [{name: a, image: ""}]}'),
    );
    expect(two).toContain('* spec.containers[0].image: Required value');
    expect(two).toMatch(
      /\* spec.restartPolicy: Unsupported value: "Often": supported values: "Always", "OnFailure", "Never"/,
    );
    expect(await suite.refused('create -f -', pod('{containers: [{name: a, image: i}]}', 'Upper'))).toContain(
      'metadata.name: Invalid value: "Upper": a lowercase RFC 1123 subdomain must consist of',
    );
    expect(
      await suite.refused(
        'create -f -',
        NGINX.replace('matchLabels: {app: web}', 'matchLabels: {app: other}'),
      ),
    ).toContain(
      'The Deployment "web" is invalid: spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    );
  });

  test('what must not change', async () => {
    await suite.ok('apply -f -', NGINX.replace('name: web', 'name: fixed'));
    expect(
      await suite.refused([
        'patch',
        'deploy',
        'fixed',
        '--type=merge',
        '-p',
        '{"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}}}}}',
      ]),
    ).toContain('spec.selector: Invalid value: ');
    await suite.apply(pod('{containers: [{name: a, image: i}]}', 'still'));
    const changed = await suite.refused(['patch', 'pod', 'still', '-p', '{"spec":{"dnsPolicy":"Default"}}']);
    expect(changed).toContain(
      'The Pod "still" is invalid: spec: Forbidden: pod updates may not change fields other than',
    );
  });

  test('names, namespaces and kinds that are not there', async () => {
    expect(await suite.refused('create cm x -n nowhere')).toBe(
      'error: failed to create configmap: namespaces "nowhere" not found',
    );
    expect(
      await suite.refused(
        'create -f -',
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: nowhere}\n',
      ),
    ).toBe('Error from server (NotFound): error when creating "STDIN": namespaces "nowhere" not found');
    expect(
      await suite.refused('apply -f -', 'apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x}\n'),
    ).toContain('no matches for kind "Thing" in version "example.com/v1"');
    expect(
      await suite.refused(
        'apply -f - -n kube-system',
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: default}\n',
      ),
    ).toContain(
      'the namespace from the provided object "default" does not match the namespace "kube-system"',
    );
  });

  test('those who may not', async () => {
    const kubeconfig = await suite.server.kubeconfigOf('jane', ['dev']);
    expect(await suite.refused('get pods', '', { kubeconfig })).toBe(
      'Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"',
    );
    expect(await suite.refused('delete ns default', '', { kubeconfig })).toContain(
      'namespaces "default" is forbidden: User "jane" cannot delete resource "namespaces" in API group "" in the namespace "default"',
    );
    await suite.ok('create rolebinding jane --clusterrole=view --user=jane');
    expect((await suite.run('get pods', { kubeconfig })).code).toBe(0);
    expect(await suite.refused('get secrets', '', { kubeconfig })).toContain(
      'Error from server (Forbidden): secrets is forbidden',
    );
    expect(await suite.refused('delete ns default')).toContain(
      'Error from server (Forbidden): namespaces "default" is forbidden: this namespace may not be deleted',
    );
  });
});
