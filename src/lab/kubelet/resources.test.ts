import { describe, expect, test } from 'vitest';
import { parseQuantity } from '../../kube/quantity.ts';
import { Backoff, goDuration } from './backoff.ts';
import { parseResolvConf, podDns } from './dns.ts';
import { nameFault, registryOf, withTag } from './image-name.ts';
import type { Container } from './model.ts';
import { refuse } from './pods/admission.ts';
import { cpuQuota, cpuShares, oomScoreAdj, podRequest, qosClass } from './resources.ts';
import { containerSecurity } from './security.ts';
import { testPod } from './testing-pods.ts';

const of = (requests?: Record<string, string>, limits?: Record<string, string>): Container => ({
  name: 'c',
  image: 'i',
  resources: { ...(requests ? { requests } : {}), ...(limits ? { limits } : {}) },
});
const all = { cpu: '1', memory: '1Gi' };

describe('resources', () => {
  test.each([
    [of(), 'BestEffort'],
    [of({ cpu: '100m' }), 'Burstable'],
    [of(all, all), 'Guaranteed'],
    [of(undefined, all), 'Guaranteed'],
    [of(all, { ...all, cpu: '2' }), 'Burstable'],
  ])('class %#', (container, expected) =>
    expect(qosClass(testPod({ containers: [container] }))).toBe(expected),
  );

  test('of a pod are those of its containers, or of a larger init container beside its sidecars', () => {
    const containers = [of({ cpu: '200m' }), { ...of({ cpu: '300m' }), name: 'd' }];
    expect(podRequest(testPod({ containers }), 'cpu').toString()).toBe('500m');
    const initContainers = [{ ...of({ cpu: '100m' }), restartPolicy: 'Always' }, of({ cpu: '1' })];
    expect(podRequest(testPod({ containers, initContainers }), 'cpu').toString()).toBe('1100m');
  });

  test("become the kernel's numbers", () => {
    expect([cpuShares(0), cpuShares(1), cpuShares(500), cpuShares(1e9)]).toEqual([2, 2, 512, 262_144]);
    expect([cpuQuota(0), cpuQuota(1), cpuQuota(500)]).toEqual([0, 1000, 50_000]);
    const memory = parseQuantity('8Gi');
    const score = (container: Container) =>
      oomScoreAdj(testPod({ containers: [container] }), container, memory);
    expect([
      score(of()),
      score(of(all, all)),
      score(of({ memory: '4Gi' })),
      score(of({ memory: '8Gi' })),
    ]).toEqual([1000, -997, 500, 3]);
  });
});

describe('the node refuses', () => {
  const node = {
    resources: {
      cpu: parseQuantity('1'),
      memory: parseQuantity('1Gi'),
      ephemeralStorage: parseQuantity('1Gi'),
    },
    maxPods: 2,
    labels: { zone: 'a' },
  };
  const asking = testPod({ containers: [of({ cpu: '600m' })] });
  const port = testPod({ containers: [{ ...of(), ports: [{ containerPort: 80, hostPort: 80 }] }] });

  test('what does not fit', () => {
    expect(refuse(asking, [], node, 'n1')).toBeUndefined();
    expect(refuse(asking, [asking], node, 'n1')).toEqual({
      reason: 'OutOfcpu',
      message:
        "Pod was rejected: Node didn't have enough resource: cpu, requested: 600, used: 600, capacity: 1000",
    });
    expect(refuse(testPod(), [testPod(), testPod()], node, 'n1')?.reason).toBe('OutOfpods');
    expect(refuse(port, [port], node, 'n1')?.reason).toBe('NodePorts');
  });

  test('what belongs elsewhere', () => {
    expect(refuse(testPod({ nodeSelector: { zone: 'b' } }), [], node, 'n1')?.reason).toBe('NodeAffinity');
    expect(refuse(testPod({ nodeSelector: { zone: 'a' } }), [], node, 'n1')).toBeUndefined();
    const term = (operator: string) => ({
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator, values: ['a'] }] }],
          },
        },
      },
    });
    expect(refuse(testPod(term('In')), [], node, 'n1')).toBeUndefined();
    expect(refuse(testPod(term('NotIn')), [], node, 'n1')?.reason).toBe('NodeAffinity');
  });
});

describe('waiting times', () => {
  test('double up to the longest, and begin anew after a good time', () => {
    const backoff = new Backoff(10_000, 300_000);
    expect(backoff.remaining('a', 1000, 1000)).toBe(0);
    const delays = [];
    for (let at = 0, i = 0; i < 7; i++) {
      backoff.next('a', at, at);
      delays.push(backoff.remaining('a', at, at) / 1000);
      at += 1000;
    }
    expect(delays).toEqual([10, 20, 40, 80, 160, 300, 300]);
    expect(backoff.remaining('a', 700_000, 700_000)).toBe(0);
    backoff.next('a', 700_000, 700_000);
    expect(backoff.remaining('a', 700_000, 704_000)).toBe(6000);
  });

  test('read as Go writes them', () => {
    expect([10_000, 160_000, 300_000, 3_661_000].map(goDuration)).toEqual(['10s', '2m40s', '5m0s', '1h1m1s']);
  });
});

describe('a resolver', () => {
  const node = parseResolvConf('# x\nnameserver 168.63.129.16\nsearch lab.internal.\noptions edns0\n');
  const cluster = { servers: ['10.0.0.10'], domain: 'cluster.local' };

  test('is read from all lines of a file', () => {
    const text =
      'options ndots:1 edns0\nsearch a\nsearch b. .\nnameserver 10.0.0.1\noptions ndots:2 rotate\n';
    expect(parseResolvConf(text)).toEqual({
      servers: ['10.0.0.1'],
      searches: ['b', '.'],
      options: ['ndots:2', 'edns0', 'rotate'],
    });
  });

  test('has no more servers and domains than resolvers take', () => {
    const many = Array.from({ length: 40 }, (_, i) => `d${i}.example`);
    const dnsConfig = { nameservers: ['10.0.0.10', '1.1.1.1', '1.1.1.2', '1.1.1.3'], searches: many };
    const { servers, searches } = podDns(testPod({ dnsConfig }), cluster, node);
    expect(servers).toEqual(['10.0.0.10', '1.1.1.1', '1.1.1.2']);
    expect(searches).toHaveLength(32);
    const long = Array.from({ length: 30 }, (_, i) => `${'x'.repeat(99)}${i}`);
    const cut = podDns(testPod({ dnsPolicy: 'None', dnsConfig: { searches: long } }), cluster, node);
    expect(cut.searches.join(' ').length).toBeLessThanOrEqual(2048);
    expect(cut.searches.length).toBeGreaterThan(15);
  });

  test('of a cluster without DNS is that of the node', () => {
    const none = { servers: [], domain: 'cluster.local' };
    expect(podDns(testPod(), none, node).servers).toEqual(['168.63.129.16']);
  });

  test("is the cluster's, the node's or the pod's own", () => {
    const searches = ['n.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'lab.internal'];
    expect(podDns(testPod(), cluster, node)).toEqual({
      servers: ['10.0.0.10'],
      searches,
      options: ['ndots:5'],
    });
    for (const spec of [{ dnsPolicy: 'Default' }, { hostNetwork: true }]) {
      expect(podDns(testPod(spec), cluster, node)).toEqual({
        servers: ['168.63.129.16'],
        searches: ['lab.internal'],
        options: ['edns0'],
      });
    }
    expect(
      podDns(testPod({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }), cluster, node).servers,
    ).toEqual(['10.0.0.10']);
    const dnsConfig = {
      nameservers: ['1.1.1.1'],
      searches: ['x'],
      options: [{ name: 'ndots', value: '2' }, { name: 'debug' }],
    };
    expect(podDns(testPod({ dnsPolicy: 'None', dnsConfig }), cluster, node)).toEqual({
      servers: ['1.1.1.1'],
      searches: ['x'],
      options: ['ndots:2', 'debug'],
    });
    expect(podDns(testPod({ dnsConfig }), cluster, node).options).toEqual(['ndots:2', 'debug']);
  });
});

describe('image names', () => {
  test.each([
    ['busybox', 'busybox:latest', 'docker.io'],
    ['a.b:5000/c/d:1', 'a.b:5000/c/d:1', 'a.b:5000'],
    ['localhost/x', 'localhost/x:latest', 'localhost'],
    [`x@sha256:${'a'.repeat(64)}`, `x@sha256:${'a'.repeat(64)}`, 'docker.io'],
  ])('%s', (name, full, registry) => expect([withTag(name), registryOf(name)]).toEqual([full, registry]));

  test.each([
    ['Busybox', 'repository name must be lowercase'],
    ['a b', 'invalid reference format'],
    ['', 'invalid reference format'],
    ['x:', 'invalid reference format'],
  ])('not %s', (name, fault) => expect([withTag(name), nameFault(name)]).toEqual([undefined, fault]));
});

describe('security', () => {
  test('keeps root out where it is to', () => {
    const pod = testPod({ securityContext: { runAsNonRoot: true } });
    const [container] = pod.spec.containers;
    expect(() => containerSecurity(pod, container!, { uid: 0 })).toThrow(/image will run as root/);
    expect(() => containerSecurity(pod, container!, { username: 'web' })).toThrow(/non-numeric user \(web\)/);
    expect(containerSecurity(pod, container!, { uid: 7 })).toMatchObject({
      runAsUser: { value: 7 },
      privileged: false,
    });
    expect(containerSecurity(testPod(), container!).maskedPaths).toContain('/proc/kcore');
  });

  test('gives what was asked for and no more', () => {
    const securityContext = {
      capabilities: { add: ['CAP_NET_ADMIN'], drop: ['ALL'] },
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
    };
    const pod = testPod({ securityContext: { fsGroup: 5, supplementalGroups: [6] } });
    expect(containerSecurity(pod, { name: 'c', securityContext })).toMatchObject({
      capabilities: { addCapabilities: ['NET_ADMIN'], dropCapabilities: ['ALL'] },
      noNewPrivs: true,
      readonlyRootfs: true,
      supplementalGroups: [5, 6],
      seccomp: { profileType: 1 },
    });
    const evil = {
      name: 'c',
      securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: '../x' } },
    };
    expect(() => containerSecurity(pod, evil)).toThrow(/without "\.\."/);
  });
});
