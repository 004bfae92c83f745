// What kubectl does to workloads and nodes, in so far as the API server alone answers: no controllers, no kubelets.

import { beforeAll, expect, test } from 'vitest';
import { NGINX, withKubectl } from './testing-suite.ts';

const node = (name: string) => `apiVersion: v1\nkind: Node\nmetadata: {name: ${name}}\n`;
const pod = (name: string, more = '') =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, labels: {app: p}}\nspec: {nodeName: n1, containers: [{name: c, image: i}]${more}}\n`;

withKubectl('kubectl and workloads', (suite) => {
  beforeAll(async () => {
    await suite.apply(NGINX);
    await suite.apply(`${node('n1')}---\n${node('n2')}`);
  });

  const replicas = async () => await suite.ok(['get', 'deploy', 'web', '-o', 'jsonpath={.spec.replicas}']);

  test('scale, also if it is as expected', async () => {
    expect(await suite.ok('scale deploy/web --replicas=3')).toBe('deployment.apps/web scaled\n');
    expect(await replicas()).toBe('3');
    expect(await suite.refused('scale deploy/web --current-replicas=9 --replicas=1')).toContain(
      'Expected replicas to be 9, was 3',
    );
    expect(await suite.ok('get --raw /apis/apps/v1/namespaces/default/deployments/web/scale')).toContain(
      '"selector":"app=web"',
    );
  });

  test('expose and set', async () => {
    expect(await suite.ok('expose deploy/web --port=80')).toBe('service/web exposed\n');
    expect(
      await suite.ok(['get', 'svc', 'web', '-o', 'jsonpath={.spec.selector.app} {.spec.ports[0].port}']),
    ).toBe('web 80');
    expect(await suite.ok(['get', 'svc', 'web', '-o', 'jsonpath={.spec.clusterIP}'])).toMatch(/^10\.0\./);
    expect(await suite.ok('set image deploy/web nginx=nginx:1.26')).toBe(
      'deployment.apps/web image updated\n',
    );
    await suite.ok('set env deploy/web A=1');
    await suite.ok('set resources deploy/web --limits=cpu=200m,memory=64Mi');
    await suite.ok('set serviceaccount deploy/web default');
    expect(await suite.json('get deploy web')).toMatchObject({
      spec: {
        template: {
          spec: {
            serviceAccountName: 'default',
            containers: [
              {
                image: 'nginx:1.26',
                env: [{ name: 'A', value: '1' }],
                resources: { limits: { cpu: '200m', memory: '64Mi' } },
              },
            ],
          },
        },
      },
    });
  });

  test('rollout', async () => {
    await suite.ok('rollout restart deploy/web');
    expect(
      await suite.ok(['get', 'deploy', 'web', '-o', 'jsonpath={.spec.template.metadata.annotations}']),
    ).toContain('kubectl.kubernetes.io/restartedAt');
    expect(await suite.ok('rollout pause deploy/web')).toContain('paused');
    expect(await suite.refused('rollout restart deploy/web')).toContain(`can't restart paused deployment`);
    await suite.ok('rollout resume deploy/web');
    const generation = Number(
      await suite.ok(['get', 'deploy', 'web', '-o', 'jsonpath={.metadata.generation}']),
    );
    const done = {
      status: {
        observedGeneration: generation,
        replicas: 3,
        updatedReplicas: 3,
        readyReplicas: 3,
        availableReplicas: 3,
        conditions: [{ type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable' }],
      },
    };
    const waiting = suite.ok('wait deploy/web --for=condition=Available --timeout=20s');
    await suite.ok([
      'patch',
      'deploy',
      'web',
      '--subresource=status',
      '--type=merge',
      '-p',
      JSON.stringify(done),
    ]);
    expect(await waiting).toBe('deployment.apps/web condition met\n');
    expect(await suite.ok('rollout status deploy/web --timeout=10s')).toBe(
      'deployment "web" successfully rolled out\n',
    );
  });

  test('rollout history and undo, from the revisions that ReplicaSets are', async () => {
    const { metadata, spec } = await suite.json<{ metadata: { uid: string }; spec: { template: object } }>(
      'get deploy web',
    );
    for (const [revision, image] of [
      ['1', 'nginx:1.25'],
      ['2', 'nginx:1.26'],
    ])
      await suite.ok(
        'create -f -',
        JSON.stringify({
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          metadata: {
            name: `web-${revision}`,
            labels: { app: 'web', 'pod-template-hash': revision },
            annotations: { 'deployment.kubernetes.io/revision': revision },
            ownerReferences: [
              { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: metadata.uid, controller: true },
            ],
          },
          spec: {
            replicas: 0,
            selector: { matchLabels: { app: 'web', 'pod-template-hash': revision } },
            template: {
              metadata: { labels: { app: 'web', 'pod-template-hash': revision } },
              spec: { containers: [{ name: 'nginx', image }] },
            },
          },
        }),
      );
    await suite.ok('annotate deploy web deployment.kubernetes.io/revision=2 --overwrite');
    expect(spec.template).toBeDefined();
    expect(await suite.ok('rollout history deploy/web')).toMatch(
      /^REVISION +CHANGE-CAUSE\n1 +<none>\n2 +<none>\n/m,
    );
    expect(await suite.ok('rollout history deploy/web --revision=1')).toContain('nginx:1.25');
    expect(await suite.ok('rollout undo deploy/web --to-revision=1')).toBe(
      'deployment.apps/web rolled back\n',
    );
    expect(
      await suite.ok(['get', 'deploy', 'web', '-o', 'jsonpath={.spec.template.spec.containers[0].image}']),
    ).toBe('nginx:1.25');
  });

  test('wait for conditions, fields, creation and deletion', async () => {
    const created = suite.ok('wait pod/late --for=create --timeout=20s');
    await suite.apply(pod('late'));
    expect(await created).toContain('condition met');
    const phase = suite.ok(['wait', 'pod/late', '--for=jsonpath={.status.phase}=Running', '--timeout=20s']);
    await suite.ok([
      'patch',
      'pod',
      'late',
      '--subresource=status',
      '-p',
      '{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}',
    ]);
    expect(await phase).toContain('condition met');
    expect(await suite.ok('wait pod -l app=p --for=condition=Ready --timeout=20s')).toBe(
      'pod/late condition met\n',
    );
    const deleted = suite.ok('wait pod/late --for=delete --timeout=20s');
    await suite.ok('delete pod late --force --grace-period=0');
    // Nothing is said when it had gone before kubectl began to look.
    expect(['pod/late condition met\n', '']).toContain(await deleted);
    expect(await suite.refused('wait deploy/web --for=condition=Never --timeout=1s')).toContain(
      'timed out waiting for the condition on deployments/web',
    );
  });

  test('cordon, taint, label', async () => {
    expect(await suite.ok('cordon n1')).toBe('node/n1 cordoned\n');
    expect(await suite.ok('get node n1 --no-headers')).toMatch(/SchedulingDisabled/);
    expect(await suite.ok('uncordon n1')).toBe('node/n1 uncordoned\n');
    expect(await suite.ok('taint node n1 k=v:NoSchedule')).toBe('node/n1 tainted\n');
    expect(await suite.ok(['get', 'node', 'n1', '-o', 'jsonpath={.spec.taints[?(@.key=="k")].effect}'])).toBe(
      'NoSchedule',
    );
    expect(await suite.ok('taint node n1 k-')).toBe('node/n1 untainted\n');
    expect(await suite.refused('taint node n1 k=v:Maybe')).toContain('invalid taint effect: Maybe');
    expect(await suite.ok('describe node n1')).toMatch(/^Name: +n1$/m);
  });

  test('drain evicts, and minds budgets', async () => {
    await suite.apply(pod('drained', ', terminationGracePeriodSeconds: 0'));
    // A pod that does not run yet is evicted whatever its budget says.
    await suite.ok([
      'patch',
      'pod',
      'drained',
      '--subresource=status',
      '-p',
      '{"status":{"phase":"Running"}}',
    ]);
    expect(await suite.refused('drain n1')).toContain(
      'cannot delete Pods that declare no controller (use --force to override): default/drained',
    );
    await suite.ok('create pdb keep --selector=app=p --min-available=1');
    // The disruption controller's part: without it evictions wait.
    const status = {
      observedGeneration: 1,
      disruptionsAllowed: 0,
      currentHealthy: 1,
      desiredHealthy: 1,
      expectedPods: 1,
    };
    await suite.ok([
      'patch',
      'pdb',
      'keep',
      '--subresource=status',
      '--type=merge',
      '-p',
      JSON.stringify({ status }),
    ]);
    const kept = await suite.refused('drain n1 --force --timeout=2s');
    expect(kept).toContain(`Cannot evict pod as it would violate the pod's disruption budget.`);
    await suite.ok('delete pdb keep');
    const draining = suite.ok('drain n1 --force --timeout=30s');
    // In the lab the kubelet does this.
    await suite
      .ok('wait pod/drained --for=delete --timeout=1s')
      .catch(() => suite.ok('delete pod drained --force --grace-period=0 --ignore-not-found'));
    expect(await draining).toContain('node/n1 drained');
  });

  test('logs and exec say why they cannot be had', async () => {
    await suite.apply(
      'apiVersion: v1\nkind: Pod\nmetadata: {name: unscheduled}\nspec: {containers: [{name: c, image: i}]}\n',
    );
    expect((await suite.run('logs unscheduled')).stdout).toBe('');
    expect(await suite.refused('exec unscheduled -- true')).toContain(
      'pod unscheduled does not have a host assigned',
    );
    expect(await suite.refused('logs none')).toContain('pods "none" not found');
  });
});
