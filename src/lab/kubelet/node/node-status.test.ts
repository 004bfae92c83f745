import { describe, expect, test } from 'vitest';
import { parseQuantity } from '../../../kube/quantity.ts';
import { OptionError, parseOptions } from '../options.ts';
import { type NodeStatusInputs, nodeConditions, nodeStatus } from './node-status.ts';

const ok = (type: string) => ({ type, status: true, reason: '', message: '' });
const inputs: NodeStatusInputs = {
  hostname: 'n1',
  addresses: ['10.0.0.4'],
  resources: {
    cpu: parseQuantity('2'),
    memory: parseQuantity('1Gi'),
    ephemeralStorage: parseQuantity('10Gi'),
  },
  maxPods: 250,
  info: { kubeletVersion: 'v1.33.0' },
  runtimeVersion: 'containerd://1.6.20',
  runtime: [ok('RuntimeReady'), ok('NetworkReady')],
  runtimeError: undefined,
  pressure: { memoryAvailable: 1e9, diskFree: 0.5, pidsFree: 10_000 },
  images: [],
  port: 10_250,
  now: Date.parse('2026-01-01T00:00:00Z'),
};
const summary = (more: Partial<NodeStatusInputs>) =>
  Object.fromEntries(nodeConditions({ ...inputs, ...more }).map((each) => [each.type, each]));

describe('a node', () => {
  test('offers what it has without a reserve, under its addresses', () => {
    expect(nodeStatus(inputs)).toMatchObject({
      capacity: { cpu: '2', memory: '1Gi', pods: '250' },
      allocatable: { cpu: '2', memory: '924Mi', pods: '250' },
      addresses: [
        { type: 'InternalIP', address: '10.0.0.4' },
        { type: 'Hostname', address: 'n1' },
      ],
      nodeInfo: { containerRuntimeVersion: 'containerd://1.6.20' },
      daemonEndpoints: { kubeletEndpoint: { Port: 10_250 } },
    });
  });

  test('is ready when its runtime and its network are', () => {
    expect(summary({}).Ready).toMatchObject({
      status: 'True',
      reason: 'KubeletReady',
      message: 'kubelet is posting ready status',
    });
    const network = {
      type: 'NetworkReady',
      status: false,
      reason: 'NetworkPluginNotReady',
      message: 'no conflist',
    };
    expect(summary({ runtime: [ok('RuntimeReady'), network] }).Ready).toMatchObject({
      status: 'False',
      reason: 'KubeletNotReady',
      message:
        '[container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:no conflist]',
    });
    expect(summary({ runtime: undefined, runtimeError: 'gone' }).Ready?.message).toBe(
      '[container runtime is down: gone]',
    );
  });

  test('says what it is short of, and keeps the time of the last change', () => {
    const short = summary({ pressure: { memoryAvailable: 1, diskFree: 0.01, pidsFree: 1 } });
    expect(
      ['MemoryPressure', 'DiskPressure', 'PIDPressure'].map((type) => [
        short[type]?.status,
        short[type]?.reason,
        short[type]?.message,
      ]),
    ).toEqual([
      ['True', 'KubeletHasInsufficientMemory', 'kubelet has insufficient memory available'],
      ['True', 'KubeletHasDiskPressure', 'kubelet has disk pressure'],
      ['True', 'KubeletHasInsufficientPID', 'kubelet has insufficient PID available'],
    ]);
    const before = nodeConditions(inputs);
    const later = nodeConditions({ ...inputs, now: inputs.now + 60_000 }, before);
    expect(later.map((each) => each.lastTransitionTime)).toEqual(
      before.map((each) => each.lastTransitionTime),
    );
    expect(later[0]?.lastHeartbeatTime).toBe('2026-01-01T00:01:00Z');
  });
});

describe('options', () => {
  const least = ['--node-name', 'n1', '--node-ip', '10.0.0.4', '--kubeconfig', '/k'];

  test('are read with their defaults', () => {
    expect(
      parseOptions([...least, '--node-labels', 'a=1,b.c/d=', '--cluster-dns', '10.0.0.10']),
    ).toMatchObject({
      nodeIps: ['10.0.0.4'],
      maxPods: 110,
      nodeLabels: { a: '1', 'b.c/d': '' },
      clusterDns: ['10.0.0.10'],
      cri: '/run/containerd/containerd.sock',
      port: 10_250,
    });
  });

  test.each([
    [['--node-ip', 'x'], '--node-ip: "x" must be an address'],
    [['--max-pods', '0'], '--max-pods: "0" must be a whole number from 1 to 10000'],
    [['--node-name', 'UP'], '--node-name: "UP"'],
    [['--node-labels', 'x'], '--node-labels: "x" must be KEY=VALUE'],
    [['--capacity', 'gpu=1'], '--capacity: "gpu" must be cpu or memory'],
    [['--nonsense'], '--nonsense'],
  ])('%j are refused', (more, message) => {
    const refused = () => parseOptions([...least, ...more]);
    expect(refused).toThrow(OptionError);
    expect(refused).toThrow(message);
  });
});
