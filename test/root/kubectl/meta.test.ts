import { expect, test } from 'vitest';
import { withKubectl } from './testing-suite.ts';

withKubectl('kubectl about the API', (suite) => {
  test('api-resources and api-versions', async () => {
    const resources = await suite.ok('api-resources --no-headers');
    expect(resources).toMatch(/^pods +po +v1 +true +Pod$/m);
    expect(resources).toMatch(/^deployments +deploy +apps\/v1 +true +Deployment$/m);
    expect(resources).toMatch(
      /^customresourcedefinitions +crd,crds +apiextensions.k8s.io\/v1 +false +CustomResourceDefinition$/m,
    );
    expect(
      await suite.ok('api-resources --namespaced=false --api-group=rbac.authorization.k8s.io -o name'),
    ).toBe('clusterrolebindings.rbac.authorization.k8s.io\nclusterroles.rbac.authorization.k8s.io\n');
    expect(await suite.ok('api-resources --verbs=delete,watch --categories=all -o name')).toContain('pods\n');
    const versions = (await suite.ok('api-versions')).split('\n');
    expect(versions).toEqual(
      expect.arrayContaining([
        'v1',
        'apps/v1',
        'batch/v1',
        'discovery.k8s.io/v1',
        'networking.k8s.io/v1',
        'policy/v1',
        'coordination.k8s.io/v1',
      ]),
    );
  });

  test('explain', async () => {
    const text = await suite.ok('explain deployment.spec.replicas');
    expect(text).toMatch(/^GROUP: +apps$/m);
    expect(text).toMatch(/^FIELD: replicas <integer>$/m);
    expect(text).toContain('Number of desired pods.');
    const pod = await suite.ok('explain pod.spec.containers');
    expect(pod).toMatch(/name\t<string> -required-/);
    const recursive = await suite.ok('explain pods --recursive');
    expect(recursive).toMatch(/^ {2}spec\t<PodSpec>$/m);
    expect(recursive).toContain('containerPort');
    expect(await suite.refused('explain pods.spec.nonsense')).toContain('field "nonsense" does not exist');
  });

  test('version, config, cluster-info', async () => {
    expect(await suite.ok('version')).toMatch(/^Server Version: v1.33/m);
    expect(await suite.ok('config current-context')).toBe('test\n');
    expect(await suite.ok('config view --minify')).toContain('client-key-data: DATA+OMITTED');
    expect(await suite.ok('cluster-info')).toContain('Kubernetes control plane');
  });

  test('auth', async () => {
    expect(await suite.ok('auth can-i delete pods')).toBe('yes\n');
    const kubeconfig = await suite.server.kubeconfigOf('joe', ['dev']);
    const asked = await suite.run('auth can-i delete pods', { kubeconfig });
    expect(asked).toMatchObject({ code: 1, stdout: 'no\n' });
    expect(await suite.ok('auth can-i list pods --as=joe --as-group=system:masters')).toBe('yes\n');
    expect((await suite.run('auth can-i --list', { kubeconfig })).stdout).toMatch(
      /selfsubjectaccessreviews.authorization.k8s.io/,
    );
    expect((await suite.run('auth whoami', { kubeconfig })).stdout).toMatch(/Username +joe/);
    expect(await suite.json('auth whoami')).toMatchObject({ status: { userInfo: { username: 'admin' } } });
    expect(
      await suite.ok(
        'auth reconcile -f -',
        'apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: default}\nrules: [{apiGroups: [""], resources: [pods], verbs: [get]}]\n',
      ),
    ).toContain('role.rbac.authorization.k8s.io/r reconciled');
  });

  test('a service account and its token', async () => {
    await suite.ok('create serviceaccount robot');
    await suite.ok('create rolebinding robot --clusterrole=view --serviceaccount=default:robot');
    const token = (await suite.ok('create token robot')).trim();
    const cluster = [
      '--kubeconfig=/dev/null',
      `--server=https://127.0.0.1:${suite.server.port}`,
      `--certificate-authority=${suite.server.pki}/ca.crt`,
      `--token=${token}`,
    ];
    expect(await suite.ok([...cluster, 'auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}'])).toBe(
      'system:serviceaccount:default:robot',
    );
    expect(await suite.refused([...cluster, 'get', 'secrets'])).toContain(
      'User "system:serviceaccount:default:robot" cannot list resource "secrets"',
    );
    expect(await suite.refused([...cluster.slice(0, 3), '--token=none', 'get', 'pods'])).toContain(
      'You must be logged in to the server',
    );
  });

  test('what has metrics says that there are none', async () => {
    expect(await suite.refused('top pods')).toBe('error: Metrics API not available');
    expect(await suite.refused('top nodes')).toBe('error: Metrics API not available');
  });

  test('objects from flags, which kubectl sends as protobuf', async () => {
    await suite.ok('create namespace made');
    await suite.ok('create secret generic s --from-literal=k=v -n made');
    expect(await suite.ok(['get', 'secret', 's', '-n', 'made', '-o', 'jsonpath={.data.k}'])).toBe('dg==');
    await suite.ok('create deployment d --image=nginx --replicas=0 -n made');
    expect(await suite.json('get deploy d -n made')).toMatchObject({
      spec: {
        replicas: 0,
        template: { spec: { containers: [{ name: 'nginx', image: 'nginx', imagePullPolicy: 'Always' }] } },
      },
    });
    await suite.ok(['create', 'job', 'j', '--image=busybox', '-n', 'made', '--', 'sh', '-c', 'true']);
    await suite.ok(['create', 'cronjob', 'cj', '--image=busybox', '--schedule=*/5 * * * *', '-n', 'made']);
    await suite.ok('create service clusterip svc --tcp=80:8080 -n made');
    await suite.ok('create role r --verb=get --resource=pods -n made');
    await suite.ok('create clusterrole cr --verb=get --resource=nodes');
    await suite.ok('create quota q --hard=pods=2 -n made');
    await suite.ok('create pdb b --selector=app=x --min-available=50% -n made');
    await suite.ok('create ingress i --rule=example.com/*=svc:80 -n made');
    await suite.ok('create priorityclass pc --value=5');
    expect(await suite.ok('get job,cronjob,svc,role,quota,pdb,ingress -n made -o name')).toBe(
      [
        'job.batch/j',
        'cronjob.batch/cj',
        'service/svc',
        'role.rbac.authorization.k8s.io/r',
        'resourcequota/q',
        'poddisruptionbudget.policy/b',
        'ingress.networking.k8s.io/i',
        '',
      ].join('\n'),
    );
    expect(await suite.ok(['get', 'pdb', 'b', '-n', 'made', '-o', 'jsonpath={.spec.minAvailable}'])).toBe(
      '50%',
    );
    await suite.ok('run r --image=nginx -n made --dry-run=server');
  });

  test('events', async () => {
    await suite.ok(
      'create -f -',
      `apiVersion: v1\nkind: Event\nmetadata: {name: e1}\ninvolvedObject: {kind: Pod, name: p, namespace: default, apiVersion: v1}\nreason: Because\nmessage: something\ntype: Warning\ncount: 3\nfirstTimestamp: "2026-01-01T00:00:00Z"\nlastTimestamp: "2026-01-01T00:00:00Z"\nsource: {component: test}\n`,
    );
    expect(await suite.ok('events --for pod/p')).toMatch(/Warning +Because +Pod\/p +something/);
    expect(await suite.ok('get events --field-selector reason=Because --no-headers')).toMatch(
      /Warning +Because +pod\/p +something/,
    );
  });
});
