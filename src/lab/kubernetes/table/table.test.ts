import { describe, expect, test } from 'vitest';
import { humanDuration } from './age.ts';
import { tableOf } from './index.ts';
import { ago, NOW, registry, show, type Table } from './testing.ts';

test.each([
  [-5000, '<invalid>'],
  [-1500, '0s'],
  [0, '0s'],
  [119_000, '119s'],
  [120_000, '2m'],
  [125_000, '2m5s'],
  [600_000, '10m'],
  [179 * 60_000, '179m'],
  [3 * 3_600_000, '3h'],
  [3.5 * 3_600_000, '3h30m'],
  [8.5 * 3_600_000, '8h'],
  [47 * 3_600_000, '47h'],
  [48 * 3_600_000, '2d'],
  [50 * 3_600_000, '2d2h'],
  [9 * 86_400_000, '9d'],
  [729 * 86_400_000, '729d'],
  [731 * 86_400_000, '2y1d'],
  [3000 * 86_400_000, '8y'],
])('%d ms is %s', (milliseconds, text) => expect(humanDuration(milliseconds)).toBe(text));

test('nodes', () => {
  const node = {
    metadata: { labels: { 'node-role.kubernetes.io/worker': '', 'node-role.kubernetes.io/agent': '' } },
    spec: { unschedulable: true },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      addresses: [{ type: 'InternalIP', address: '10.1.0.4' }],
      nodeInfo: {
        kubeletVersion: 'v1.33.0',
        osImage: 'Debian',
        kernelVersion: '6',
        containerRuntimeVersion: 'containerd://2',
      },
    },
  };
  expect(show('Node', node)).toEqual({
    Name: 'x',
    Status: 'Ready,SchedulingDisabled',
    Roles: 'agent,worker',
    Age: '5m',
    Version: 'v1.33.0',
    'Internal-IP': '10.1.0.4',
    'External-IP': '<none>',
    'OS-Image': 'Debian',
    'Kernel-Version': '6',
    'Container-Runtime': 'containerd://2',
  });
  expect(show('Node', {})).toMatchObject({ Status: 'Unknown', Roles: '<none>', 'OS-Image': '<unknown>' });
  expect(show('Node', { status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } })).toMatchObject({
    Status: 'NotReady',
  });
});

describe('the rest', () => {
  const template = {
    spec: {
      containers: [
        { name: 'a', image: 'i:1' },
        { name: 'b', image: 'j' },
      ],
    },
  };
  test.each<[string, string, object, object]>([
    [
      'Service',
      '',
      {
        spec: {
          type: 'LoadBalancer',
          clusterIP: '10.0.0.5',
          ports: [{ port: 80, nodePort: 30080, protocol: 'TCP' }],
          selector: { b: '2', a: '1' },
        },
      },
      {
        Type: 'LoadBalancer',
        'Cluster-IP': '10.0.0.5',
        'External-IP': '<pending>',
        'Port(s)': '80:30080/TCP',
        Selector: 'a=1,b=2',
      },
    ],
    [
      'Service',
      '',
      { spec: { type: 'ClusterIP', clusterIPs: ['None'] } },
      { 'Cluster-IP': 'None', 'External-IP': '<none>', 'Port(s)': '<none>', Selector: '<none>' },
    ],
    [
      'Service',
      '',
      { spec: { type: 'ExternalName', externalName: 'a.b' } },
      { 'Cluster-IP': '<none>', 'External-IP': 'a.b' },
    ],
    [
      'Deployment',
      'apps',
      {
        spec: { replicas: 3, template, selector: { matchLabels: { app: 'w' } } },
        status: { readyReplicas: 1, updatedReplicas: 2 },
      },
      { Ready: '1/3', 'Up-to-date': 2, Available: 0, Containers: 'a,b', Images: 'i:1,j', Selector: 'app=w' },
    ],
    [
      'DaemonSet',
      'apps',
      { spec: { template }, status: { desiredNumberScheduled: 2 } },
      { Desired: 2, Current: 0, 'Node Selector': '<none>', Selector: '<none>' },
    ],
    ['StatefulSet', 'apps', { spec: { replicas: 2, template }, status: {} }, { Ready: '0/2' }],
    [
      'ReplicaSet',
      'apps',
      { spec: { replicas: 2, template }, status: { replicas: 2 } },
      { Desired: 2, Current: 2, Ready: 0 },
    ],
    [
      'Job',
      'batch',
      {
        spec: { completions: 1, template },
        status: {
          startTime: ago(60),
          completionTime: ago(50),
          succeeded: 1,
          conditions: [{ type: 'Complete', status: 'True' }],
        },
      },
      { Status: 'Complete', Completions: '1/1', Duration: '10s' },
    ],
    [
      'Job',
      'batch',
      { spec: { parallelism: 2, template }, status: {} },
      { Status: 'Running', Completions: '0/1 of 2', Duration: '' },
    ],
    [
      'CronJob',
      'batch',
      { spec: { schedule: '* * * * *', suspend: false, jobTemplate: { spec: { template } } } },
      { Timezone: '<none>', Suspend: 'False', Active: 0, 'Last Schedule': '<none>' },
    ],
    ['ConfigMap', '', { data: { a: '1' }, binaryData: { b: 'YQ==' } }, { Data: 2, Age: '5m' }],
    ['Secret', '', { type: 'Opaque', data: { a: 'YQ==' } }, { Type: 'Opaque', Data: 1 }],
    ['Namespace', '', { status: { phase: 'Active' } }, { Status: 'Active' }],
    [
      'Event',
      '',
      {
        type: 'Normal',
        reason: 'Pulled',
        involvedObject: { kind: 'Pod', name: 'p' },
        message: 'm\n',
        lastTimestamp: ago(30),
        firstTimestamp: ago(90),
        source: { component: 'kubelet', host: 'n' },
      },
      {
        'Last Seen': '30s',
        'First Seen': '90s',
        Object: 'pod/p',
        Source: 'kubelet, n',
        Message: 'm',
        Count: 1,
      },
    ],
    [
      'Event',
      'events.k8s.io',
      {
        note: 'n',
        regarding: { kind: 'Pod', name: 'p' },
        eventTime: ago(5),
        reportingController: 'c',
        reportingInstance: 'i',
      },
      { 'Last Seen': '5s', Object: 'pod/p', Source: 'c, i', Message: 'n' },
    ],
    [
      'Endpoints',
      '',
      {
        subsets: [
          { addresses: ['1', '2', '3', '4'].map((n) => ({ ip: `10.0.0.${n}` })), ports: [{ port: 80 }] },
        ],
      },
      { Endpoints: '10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...' },
    ],
    [
      'EndpointSlice',
      'discovery.k8s.io',
      { addressType: 'IPv4', endpoints: [] },
      { AddressType: 'IPv4', Ports: '<unset>', Endpoints: '<unset>' },
    ],
    ['NetworkPolicy', 'networking.k8s.io', { spec: { podSelector: {} } }, { 'Pod-Selector': '<none>' }],
    [
      'Ingress',
      'networking.k8s.io',
      { spec: { tls: [{}] } },
      { Class: '<none>', Hosts: '*', Ports: '80, 443' },
    ],
    [
      'PodDisruptionBudget',
      'policy',
      { spec: { minAvailable: '50%' } },
      { 'Min Available': '50%', 'Max Unavailable': 'N/A' },
    ],
    ['Lease', 'coordination.k8s.io', { spec: { holderIdentity: 'h' } }, { Holder: 'h' }],
    [
      'RoleBinding',
      'rbac.authorization.k8s.io',
      {
        roleRef: { kind: 'ClusterRole', name: 'view' },
        subjects: [
          { kind: 'User', name: 'u' },
          { kind: 'ServiceAccount', namespace: 'n', name: 's' },
        ],
      },
      { Role: 'ClusterRole/view', Users: 'u', ServiceAccounts: 'n/s' },
    ],
    ['Role', 'rbac.authorization.k8s.io', {}, { 'Created At': ago(300) }],
    [
      'PersistentVolumeClaim',
      '',
      {
        spec: { volumeName: 'v' },
        status: {
          phase: 'Bound',
          capacity: { storage: '1Gi' },
          accessModes: ['ReadWriteMany', 'ReadWriteOnce'],
        },
      },
      { Status: 'Bound', Capacity: '1Gi', 'Access Modes': 'RWO,RWX' },
    ],
    [
      'ResourceQuota',
      '',
      { status: { hard: { pods: '10', 'limits.cpu': '2' }, used: { pods: '1' } } },
      { Request: 'pods: 1/10', Limit: 'limits.cpu: 0/2' },
    ],
    [
      'ControllerRevision',
      'apps',
      {
        revision: 2,
        metadata: {
          ownerReferences: [{ controller: true, apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'd' }],
        },
      },
      { Controller: 'daemonset.apps/d', Revision: 2 },
    ],
    ['PriorityClass', 'scheduling.k8s.io', { value: 5 }, { Value: 5, 'Global-Default': false }],
  ])('%s %s %#', (kind, group, object, expected) =>
    expect(show(kind, object, group)).toMatchObject(expected),
  );

  test('every kind has a cell for each column, of an object with nothing in it too', () => {
    for (const kind of registry.kinds()) {
      const { columnDefinitions, rows } = tableOf(kind, [{}], { now: NOW }) as unknown as Table;
      expect(rows[0]?.cells, kind.kind).toHaveLength(columnDefinitions.length);
      expect(rows[0]?.cells.includes(undefined), kind.kind).toBe(false);
    }
  });
});
