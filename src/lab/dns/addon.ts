import { dirname } from 'node:path';
import {
  CLUSTER_ROLE_BINDINGS,
  CLUSTER_ROLES,
  DEPLOYMENTS,
  POD_DISRUPTION_BUDGETS,
  type ResourceType,
  SERVICE_ACCOUNTS,
  SERVICES,
} from '../../kube/resources.ts';
import type {
  ClusterRole,
  ClusterRoleBinding,
  Deployment,
  KubeObject,
  PodDisruptionBudget,
  Service,
  ServiceAccount,
} from '../../kube/types.ts';
import { clusterDnsImage, RUNTIME_FOLDER } from '../images/cluster-dns.ts';

/** An object that is put into a cluster's API. */
export interface DnsAddon {
  readonly type: ResourceType<object>;
  readonly object: { metadata: { name: string; namespace?: string } };
}

/** What of a cluster its DNS depends on. */
export interface DnsCluster {
  /** Address of the Service `kube-dns`, inside the range of Services. */
  readonly dnsServiceIp: string;
  /** Where the API is served: for its DNS server a way that does not lead through Services. */
  readonly apiServerAddress: string;
}

export interface DnsPrograms {
  /** The Node runtime on every node of the cluster. */
  readonly node: string;
  /** The folder with `dns.js` on this machine. */
  readonly dist: string;
}

const NAMESPACE = 'kube-system';
/** Objects have the names that AKS gives them: what its documents tell to type, works. */
const NAME = 'coredns';
const LABELS = { 'k8s-app': 'kube-dns' };
const COMMON = {
  ...LABELS,
  'app.kubernetes.io/name': 'flyover-dns',
  'app.kubernetes.io/managed-by': 'flyover',
};
const REPLICAS = 2;

/** A cluster's DNS: the server twice, its Service, and what it may. */
export function dnsAddons(cluster: DnsCluster, programs: DnsPrograms): DnsAddon[] {
  const object = <T extends KubeObject>(type: ResourceType<T>, made: T): DnsAddon => ({
    type: type as ResourceType<object>,
    object: made as DnsAddon['object'],
  });
  return [
    object(SERVICE_ACCOUNTS, serviceAccount()),
    object(CLUSTER_ROLES, role()),
    object(CLUSTER_ROLE_BINDINGS, binding()),
    object(SERVICES, service(cluster.dnsServiceIp)),
    object(POD_DISRUPTION_BUDGETS, budget()),
    object(DEPLOYMENTS, deployment(cluster, programs)),
  ];
}

function serviceAccount(): ServiceAccount {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: NAME, namespace: NAMESPACE, labels: COMMON },
  };
}

function role(): ClusterRole {
  const verbs = ['list', 'watch'];
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'system:coredns', labels: COMMON },
    rules: [
      { apiGroups: [''], resources: ['services', 'namespaces'], verbs },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs },
    ],
  };
}

function binding(): ClusterRoleBinding {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'system:coredns', labels: COMMON },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:coredns' },
    subjects: [{ kind: 'ServiceAccount', name: NAME, namespace: NAMESPACE }],
  };
}

function service(clusterIP: string): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'kube-dns',
      namespace: NAMESPACE,
      labels: { ...COMMON, 'kubernetes.io/cluster-service': 'true' },
      annotations: { 'prometheus.io/port': '9153', 'prometheus.io/scrape': 'true' },
    },
    spec: {
      selector: LABELS,
      clusterIP,
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
        { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
        { name: 'metrics', port: 9153, protocol: 'TCP', targetPort: 9153 },
      ],
    },
  };
}

function budget(): PodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'coredns-pdb', namespace: NAMESPACE, labels: COMMON },
    spec: { minAvailable: 1, selector: { matchLabels: LABELS } },
  };
}

function deployment(cluster: DnsCluster, programs: DnsPrograms): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: NAME, namespace: NAMESPACE, labels: COMMON },
    spec: {
      replicas: REPLICAS,
      selector: { matchLabels: LABELS },
      // The new one answers before the old one goes.
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template: { metadata: { labels: COMMON }, spec: podSpec(cluster, programs) },
    },
  };
}

type PodSpec = NonNullable<NonNullable<Deployment['spec']>['template']['spec']>;

function podSpec({ apiServerAddress }: DnsCluster, programs: DnsPrograms): PodSpec {
  return {
    serviceAccountName: NAME,
    priorityClassName: 'system-cluster-critical',
    dnsPolicy: 'Default',
    enableServiceLinks: false,
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    tolerations: [
      { key: 'CriticalAddonsOnly', operator: 'Exists' },
      { key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' },
    ],
    // Not both where the first node is Ready: one waits a moment for the second node.
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: LABELS },
      },
    ],
    terminationGracePeriodSeconds: 30,
    containers: [container(apiServerAddress, programs)],
    volumes: [{ name: 'node', hostPath: { path: dirname(programs.node), type: 'Directory' } }],
  };
}

function container(apiServerAddress: string, programs: DnsPrograms): PodSpec['containers'][number] {
  const port = (name: string, containerPort: number, protocol = 'TCP') => ({ name, containerPort, protocol });
  return {
    name: NAME,
    image: clusterDnsImage(programs.dist),
    imagePullPolicy: 'IfNotPresent',
    // As AKS does for its own pods: nothing of the cluster's Services is needed for the names of its Services.
    env: [
      { name: 'KUBERNETES_SERVICE_HOST', value: apiServerAddress },
      { name: 'KUBERNETES_SERVICE_PORT', value: '443' },
    ],
    ports: [
      port('dns', 53, 'UDP'),
      port('dns-tcp', 53),
      port('metrics', 9153),
      port('liveness-probe', 8080),
      port('readiness-probe', 8181),
    ],
    // It knows its names within half a second; asked at once it would be asked again only after the period.
    readinessProbe: {
      httpGet: { path: '/ready', port: 'readiness-probe' },
      initialDelaySeconds: 1,
      periodSeconds: 2,
      failureThreshold: 3,
    },
    livenessProbe: {
      httpGet: { path: '/health', port: 'liveness-probe' },
      initialDelaySeconds: 60,
      timeoutSeconds: 5,
      failureThreshold: 5,
    },
    resources: { requests: { cpu: '100m', memory: '70Mi' }, limits: { memory: '500Mi' } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { add: ['NET_BIND_SERVICE'], drop: ['ALL'] },
    },
    volumeMounts: [{ name: 'node', mountPath: RUNTIME_FOLDER, readOnly: true }],
  };
}
