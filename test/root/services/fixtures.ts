// The pods and Services that the table of services.test.ts is about.

export const NAMESPACE = 'services';
export const TCP = 8080;
export const OTHER_TCP = 9090;
export const UDP = 5353;
/** Node ports that rows go by. */
export const NODE_PORTS = { tcp: 30_080, udp: 30_053, local: 30_081, empty: 30_082 };
/** An address that no network routes: only the tables of nodes know it. */
export const EXTERNAL_IP = '192.0.2.80';
export const AFFINITY_SECONDS = 2;
/** How many Services with affinity there are: by luck alone no eight clients keep their backends. */
export const AFFINITY_SERVICES = 8;
export const GATE = 'test.flyover.dev/gate';

const IMAGE = 'localhost/flyover/toolbox';
const meta = (name: string, labels: object = {}, annotations: object = {}) => ({
  metadata: { name, namespace: NAMESPACE, labels, annotations },
});

/** Says its pod's name and whom it takes the client for, and then what it hears. Goes on while it is told to end. */
const ECHO = `trap '' TERM
for port in ${TCP} ${OTHER_TCP}; do
  socat TCP-LISTEN:$port,fork,reuseaddr,backlog=256 SYSTEM:'echo "$POD $SOCAT_PEERADDR"; exec cat' &
done
socat UDP4-RECVFROM:${UDP},fork SYSTEM:'read -r line; echo "$POD $SOCAT_PEERADDR"' &
wait
`;

interface PodShape {
  app: string;
  node: string;
  /** The number of the port that is named `web`. */
  web?: number;
  /** Ready only when somebody says so. */
  gated?: true;
  /** Seconds that it goes on after its deletion. */
  lingers?: number;
}

function pod(name: string, { app, node, web = TCP, gated, lingers = 1 }: PodShape): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    ...meta(name, { app }),
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: lingers,
      ...(gated && { readinessGates: [{ conditionType: GATE }] }),
      containers: [
        {
          name: 'echo',
          image: IMAGE,
          imagePullPolicy: 'IfNotPresent',
          command: ['sh', '-c', ECHO],
          env: [{ name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
          ports: [{ name: 'web', containerPort: web }],
          readinessProbe: { tcpSocket: { port: TCP }, periodSeconds: 1 },
        },
      ],
    },
  };
}

/** By name; clients are echo servers too, of no Service. */
export function pods(one: string, two: string): object[] {
  return [
    pod('client-1', { app: 'client', node: one }),
    pod('client-2', { app: 'client', node: two }),
    pod('echo-1', { app: 'echo', node: one }),
    pod('echo-2', { app: 'echo', node: two, web: OTHER_TCP }),
    pod('solo', { app: 'solo', node: one }),
    pod('late', { app: 'late', node: two, gated: true }),
    pod('leaving-1', { app: 'leaving', node: one, lingers: 60 }),
    pod('leaving-2', { app: 'leaving', node: two, lingers: 60 }),
  ];
}

const HTTP = { name: 'http', port: 80, targetPort: TCP };
const DNS = { name: 'dns', port: 53, protocol: 'UDP', targetPort: UDP };

function service(name: string, app: string | undefined, spec: object = {}, annotations: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    ...meta(name, {}, annotations),
    spec: { ...(app && { selector: { app } }), ports: [HTTP], ...spec },
  };
}

/** @param allowed - CIDR of who may use `lb-ranges` */
export function services(allowed: string): object[] {
  const balanced = { type: 'LoadBalancer' };
  const internal = { 'service.beta.kubernetes.io/azure-load-balancer-internal': 'true' };
  const affinity = {
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: AFFINITY_SECONDS } },
  };
  return [
    service('cluster-ip', 'echo', {
      ports: [HTTP, { name: 'named', port: 81, targetPort: 'web' }, DNS],
    }),
    service('headless', 'echo', { clusterIP: 'None' }),
    service('hairpin', 'solo', { ports: [HTTP, DNS] }),
    service('empty', 'nobody', {
      type: 'NodePort',
      ports: [{ ...HTTP, nodePort: NODE_PORTS.empty }, DNS],
    }),
    service('unready', 'late'),
    service('published', 'late', { publishNotReadyAddresses: true }),
    service('leaving', 'leaving', { ports: [HTTP, DNS] }),
    service('away', undefined, {
      type: 'ExternalName',
      externalName: 'cluster-ip.services.svc.cluster.local',
    }),
    service('external-ip', 'echo', { externalIPs: [EXTERNAL_IP] }),
    service('node-port', 'echo', {
      type: 'NodePort',
      ports: [
        { ...HTTP, nodePort: NODE_PORTS.tcp },
        { ...DNS, nodePort: NODE_PORTS.udp },
      ],
    }),
    service('node-port-local', 'solo', {
      type: 'NodePort',
      externalTrafficPolicy: 'Local',
      ports: [{ ...HTTP, nodePort: NODE_PORTS.local }],
    }),
    service('inside-local', 'solo', { internalTrafficPolicy: 'Local' }),
    service('near', 'echo', { trafficDistribution: 'PreferSameNode' }),
    service('lb', 'echo', { ...balanced, ports: [HTTP, DNS] }),
    service('lb-local', 'solo', { ...balanced, externalTrafficPolicy: 'Local' }),
    service('lb-ranges', 'echo', { ...balanced, loadBalancerSourceRanges: [allowed] }),
    service('lb-internal', 'echo', balanced, internal),
    ...Array.from({ length: AFFINITY_SERVICES }, (_, n) => service(`affinity-${n}`, 'echo', affinity)),
  ];
}
