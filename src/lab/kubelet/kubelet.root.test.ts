import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { insideMachine } from '../machine/index.ts';
import { testPlace } from '../machine/testing.ts';
import {
  execIn,
  isReady,
  killKubelet,
  place as placePods,
  podOf,
  podWhere,
  restartKubelet,
  resumeKubelet,
  startKubeletOn,
  startRuntime,
  type TestNode,
  TINY_NAME,
  tinyPod,
  unplace,
  until,
} from './testing.ts';

const ground = testPlace('kubelet');
let node: TestNode;

beforeAll(async () => {
  const machine = await startRuntime(ground.spec('one'), join(ground.folder, 'images'), '10.210.0.0/23');
  node = await startKubeletOn(machine);
});
afterAll(async () => {
  node?.cri.close();
  await ground.clear();
});

const gone = (name: string) =>
  until(`the end of ${name}`, async () => ((await podOf(node, name)) ? undefined : true));
const main = (pod: Awaited<ReturnType<typeof podOf>>) => pod?.status?.containerStatuses?.[0];

describe('a pod', () => {
  test('runs with its address, name, variables and volumes, and goes without a trace', async () => {
    placePods(
      node,
      tinyPod(
        'plain',
        {
          env: [
            { name: 'A', value: 'x' },
            { name: 'B', value: '$(A)y' },
            { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
            { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
          ],
          resources: { limits: { cpu: '200m', memory: '32Mi' } },
          volumeMounts: [
            { name: 'scratch', mountPath: '/scratch' },
            { name: 'memory', mountPath: '/memory', subPath: 'a/b' },
            { name: 'about', mountPath: '/about' },
          ],
        },
        {
          hostname: 'chosen',
          hostAliases: [{ ip: '10.9.9.9', hostnames: ['alias'] }],
          securityContext: { fsGroup: 1234, runAsUser: 1000 },
          volumes: [
            { name: 'scratch', emptyDir: {} },
            { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
            {
              name: 'about',
              downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] },
            },
          ],
        },
        { labels: { app: 'web' } },
      ),
    );
    const pod = await podWhere(node, 'plain', isReady);
    expect(pod.status).toMatchObject({ phase: 'Running', qosClass: 'Guaranteed', hostIP: '192.0.2.10' });
    expect(pod.status?.podIP).toMatch(/^10\.210\./);
    expect(main(pod)).toMatchObject({
      name: 'main',
      ready: true,
      started: true,
      restartCount: 0,
      image: TINY_NAME,
    });
    const said = await execIn(
      node,
      pod,
      '/bin/sh',
      '-c',
      'echo $A $B $IP $CPU; hostname; id -u; id -G; cat /etc/hosts /about/labels',
    );
    expect(said).toContain(`x xy ${pod.status?.podIP} 200\nchosen\n1000\n`);
    expect(said).toMatch(/1234/);
    expect(said).toContain(`${pod.status?.podIP}\tchosen`);
    expect(said).toContain('10.9.9.9\talias');
    expect(said).toContain('app="web"');
    expect(
      await execIn(
        node,
        pod,
        '/bin/sh',
        '-c',
        'echo 1 >/scratch/f && echo 2 >/memory/f && cat /scratch/f /memory/f',
      ),
    ).toBe('1\n2\n');
    const uid = pod.metadata!.uid!;
    const cgroup = insideMachine(
      node.machine,
      `/sys/fs/cgroup/memory/kubepods/pod${uid}/memory.limit_in_bytes`,
    );
    if (existsSync(cgroup)) expect(readFileSync(cgroup, 'utf8')).toBe(`${32 << 20}\n`);
    unplace(node, 'plain');
    await gone('plain');
    expect(await node.cri.listPodSandbox({ labelSelector: { 'io.kubernetes.pod.uid': uid } })).toEqual([]);
    for (const path of [`/var/lib/kubelet/pods/${uid}`, `/run/kubelet/pods/${uid}`]) {
      expect(existsSync(insideMachine(node.machine, path))).toBe(false);
    }
    expect(
      readdirSync(insideMachine(node.machine, '/var/log/pods')).filter((each) => each.includes(uid)),
    ).toEqual([]);
    expect(existsSync(insideMachine(node.machine, `/sys/fs/cgroup/memory/kubepods/pod${uid}`))).toBe(false);
  });

  test('starts after its init containers, with a sidecar beside it', async () => {
    const image = { image: TINY_NAME, imagePullPolicy: 'Never' };
    const mount = { volumeMounts: [{ name: 'v', mountPath: '/v' }] };
    placePods(
      node,
      tinyPod(
        'init',
        { ...mount, command: ['/bin/sh', '-c', 'cat /v/order; sleep 0.2'] },
        {
          restartPolicy: 'Never',
          volumes: [{ name: 'v', emptyDir: {} }],
          initContainers: [
            { name: 'first', ...image, ...mount, command: ['/bin/sh', '-c', 'echo 1 >>/v/order'] },
            {
              name: 'side',
              ...image,
              ...mount,
              restartPolicy: 'Always',
              command: [
                '/bin/sh',
                '-c',
                'trap "exit 0" TERM; echo s >>/v/order; while :; do sleep 0.1; done',
              ],
              startupProbe: { exec: { command: ['/bin/cat', '/v/order'] }, periodSeconds: 1 },
            },
            { name: 'second', ...image, ...mount, command: ['/bin/sh', '-c', 'echo 2 >>/v/order'] },
          ],
        },
      ),
    );
    const pod = await podWhere(node, 'init', ({ status }) => status?.phase === 'Succeeded');
    expect(pod.status?.initContainerStatuses?.map((each) => each.state?.terminated?.exitCode)).toEqual([
      0, 0, 0,
    ]);
    expect(main(pod)?.state?.terminated).toMatchObject({ exitCode: 0, reason: 'Completed' });
    const log = join('/var/log/pods', `default_${pod.metadata!.name}_${pod.metadata!.uid}`, 'main/0.log');
    const lines = readFileSync(insideMachine(node.machine, log), 'utf8').trim().split('\n');
    expect(lines.map((line) => line.split(' ').at(-1))).toEqual(['1', 's', '2']);
    unplace(node, 'init');
    await gone('init');
  });

  test('that crashes waits longer each time, and says what it said last', async () => {
    placePods(
      node,
      tinyPod('crash', { command: ['/bin/sh', '-c', 'echo sorry >/dev/termination-log; exit 7'] }),
    );
    const pod = await podWhere(
      node,
      'crash',
      (each) => main(each)?.state?.waiting?.reason === 'CrashLoopBackOff',
    );
    expect(main(pod)).toMatchObject({
      restartCount: 1,
      ready: false,
      lastState: { terminated: { exitCode: 7, reason: 'Error', message: 'sorry\n' } },
    });
    expect(main(pod)?.state?.waiting?.message).toMatch(
      /^back-off 10s restarting failed container=main pod=crash-host-one_default\(/,
    );
    expect(pod.status?.phase).toBe('Running');
    unplace(node, 'crash');
    await gone('crash');
  });

  test('with a bad image, or none on the node, says so as upstream does', async () => {
    placePods(
      node,
      tinyPod('never', { image: 'localhost/no/such:1' }),
      tinyPod('bad', { image: 'UPPER//x' }),
    );
    const never = await podWhere(
      node,
      'never',
      (each) => main(each)?.state?.waiting?.reason === 'ErrImageNeverPull',
    );
    expect(main(never)?.state?.waiting?.message).toBe(
      'Container image "localhost/no/such:1" is not present with pull policy of Never',
    );
    expect(never.status?.phase).toBe('Pending');
    await podWhere(node, 'bad', (each) => main(each)?.state?.waiting?.reason === 'InvalidImageName');
    unplace(node, 'never', 'bad');
    await Promise.all([gone('never'), gone('bad')]);
  });

  test('is ready by its probe, and restarted by another', async () => {
    const httpGet = { path: '/ok', port: 8080 };
    const command = ['/bin/sh', '-c', 'mkdir /www; echo 1 >/www/ok; exec httpd -f -p 8080 -h /www'];
    placePods(
      node,
      tinyPod('probed', {
        command,
        readinessProbe: { httpGet, periodSeconds: 1 },
        livenessProbe: {
          exec: { command: ['/bin/test', '!', '-e', '/dead'] },
          periodSeconds: 1,
          failureThreshold: 1,
        },
      }),
    );
    const pod = await podWhere(node, 'probed', isReady);
    await execIn(node, pod, '/bin/sh', '-c', 'echo >/dead');
    const again = await podWhere(
      node,
      'probed',
      (each) => (main(each)?.restartCount ?? 0) === 1 && isReady(each),
    );
    expect(main(again)?.lastState?.terminated?.exitCode).toBe(137);
    unplace(node, 'probed');
    await gone('probed');
  });

  test('gets SIGTERM, its hook and its time', async () => {
    const command = ['/bin/sh', '-c', 'trap "echo term; exit 0" TERM; while :; do sleep 0.1; done'];
    const lifecycle = {
      postStart: { exec: { command: ['/bin/sh', '-c', 'echo post >/proc/1/fd/1'] } },
      preStop: { exec: { command: ['/bin/sh', '-c', 'echo pre >/proc/1/fd/1'] } },
    };
    placePods(node, tinyPod('polite', { command, lifecycle }, { terminationGracePeriodSeconds: 20 }));
    const pod = await podWhere(node, 'polite', isReady);
    const path = insideMachine(
      node.machine,
      join('/var/log/pods', `default_${pod.metadata!.name}_${pod.metadata!.uid}`, 'main/0.log'),
    );
    const began = Date.now();
    const seen: string[] = [];
    unplace(node, 'polite');
    await until('the end', async () => {
      if (existsSync(path)) seen.push(readFileSync(path, 'utf8'));
      return (await podOf(node, 'polite')) ? undefined : true;
    });
    expect(Date.now() - began).toBeLessThan(15_000);
    expect(seen.at(-1)).toMatch(/post[\s\S]*pre/);
  });

  test('dies of too much memory with the right reason', async () => {
    const command = ['/bin/sh', '-c', 'x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done'];
    placePods(
      node,
      tinyPod('oom', { command, resources: { limits: { memory: '16Mi' } } }, { restartPolicy: 'Never' }),
    );
    const pod = await podWhere(node, 'oom', ({ status }) => status?.phase === 'Failed');
    expect(main(pod)?.state?.terminated).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
    unplace(node, 'oom');
    await gone('oom');
  });

  test('is ended when its time is over', async () => {
    placePods(
      node,
      tinyPod(
        'late',
        {},
        { activeDeadlineSeconds: 2, restartPolicy: 'Never', terminationGracePeriodSeconds: 1 },
      ),
    );
    const pod = await podWhere(
      node,
      'late',
      ({ status }) => status?.phase === 'Failed' && !!status.containerStatuses?.[0]?.state?.terminated,
    );
    expect(pod.status?.reason).toBe('DeadlineExceeded');
    unplace(node, 'late');
    await gone('late');
  });
});

describe('a kubelet that was killed', () => {
  test('finds its pods as they were, and ends those that were taken away meanwhile', async () => {
    placePods(
      node,
      tinyPod('keep', { readinessProbe: { exec: { command: ['/bin/true'] }, periodSeconds: 1 } }),
      tinyPod('drop'),
    );
    const keep = await podWhere(node, 'keep', isReady);
    const drop = await podWhere(node, 'drop', isReady);
    await killKubelet(node);
    unplace(node, 'drop');
    await resumeKubelet(node);
    const after = await podWhere(node, 'keep', isReady);
    expect(main(after)).toMatchObject({ containerID: String(main(keep)?.containerID), restartCount: 0 });
    await until('the orphan', async () => {
      const left = await node.cri.listPodSandbox({
        labelSelector: { 'io.kubernetes.pod.uid': drop.metadata!.uid! },
      });
      return left.length === 0 &&
        !existsSync(insideMachine(node.machine, `/var/lib/kubelet/pods/${drop.metadata!.uid}`))
        ? true
        : undefined;
    });
    await restartKubelet(node);
    expect(main(await podWhere(node, 'keep', isReady))?.containerID).toBe(main(keep)?.containerID);
  });

  test('makes a sandbox again that died, and the containers in it', async () => {
    const before = await podWhere(node, 'keep', isReady);
    const [sandbox] = await node.cri.listPodSandbox({
      labelSelector: { 'io.kubernetes.pod.uid': before.metadata!.uid! },
    });
    await node.cri.stopPodSandbox(sandbox!.id);
    const after = await podWhere(
      node,
      'keep',
      (pod) => isReady(pod) && main(pod)?.containerID !== main(before)?.containerID,
    );
    expect(main(after)?.restartCount).toBeGreaterThanOrEqual(1);
    unplace(node, 'keep');
    await gone('keep');
  });
});
