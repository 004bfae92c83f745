import { expect, test } from 'vitest';
import type { Outcome } from '../lab/cli.ts';
import { SILENCE_MS } from './client.ts';
import type { ServiceLab } from './lab.ts';

/** What the Services of the document select. The document does not say what these pods are. */
const BACKENDS = `apiVersion: v1
kind: Pod
metadata: { name: web, namespace: production, labels: { app: web } }
spec:
  terminationGracePeriodSeconds: 1
  containers: [{ name: web, image: registry.k8s.io/echoserver, ports: [{ containerPort: 8080 }] }]
---
apiVersion: v1
kind: Pod
metadata: { name: api, namespace: production, labels: { app: api } }
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: api
    image: localhost/flyover/toolbox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "trap '' TERM; socat TCP-LISTEN:8443,fork,reuseaddr SYSTEM:'echo api $SOCAT_PEERADDR'"]
---
apiVersion: v1
kind: Pod
metadata: { name: api, labels: { app: api } }
spec:
  terminationGracePeriodSeconds: 1
  containers: [{ name: api, image: registry.k8s.io/echoserver }]
---
apiVersion: v1
kind: Service
metadata: { name: api-service }
spec: { selector: { app: api }, ports: [{ port: 8080 }] }
`;

/** As the document has them. */
const WEB_SERVICE = `apiVersion: v1
kind: Service
metadata:
  name: web-service
  namespace: production
spec:
  type: LoadBalancer
  selector:
    app: web
  ports:
  - port: 80
    targetPort: 8080
  loadBalancerSourceRanges:
  - 203.0.113.0/24
`;
const INTERNAL_API = `apiVersion: v1
kind: Service
metadata:
  name: internal-api
  namespace: production
  annotations:
    service.beta.kubernetes.io/azure-load-balancer-internal: "true"
spec:
  type: LoadBalancer
  selector:
    app: api
  ports:
  - port: 443
    targetPort: 8443
`;

/**
 * The steps about Services, DNS and load balancers of a guide to Azure CNI Overlay on AKS, each as it is typed there. Only the
 * namespace of `get service` is more: the guide takes it for set.
 */
export function documentTests(lab: ServiceLab): void {
  const { kubectl } = lab;
  const typed = (line: string): Promise<Outcome> => kubectl.run(line.split(' '), { timeout: 45_000 });
  /**
   * A pod that runs one short command. kubectl waits for a moment in which it is Running and Ready; a command that ends before anybody has
   * told of that moment leaves it waiting for the next, with any kubelet. So it gets more than one chance.
   */
  const once = async (name: string, line: string): Promise<Outcome> => {
    for (let tries = 1; ; tries++) {
      const result = await kubectl.run(line.split(' '), { timeout: 30_000 });
      if (result.code !== null || tries === 4) return result;
      await kubectl.ok('delete', 'pod', name, '--now', '--ignore-not-found');
    }
  };
  const external = async (name: string): Promise<string> => {
    let address = '';
    await lab.until(`${name} has an address`, async () => {
      const { stdout } = await typed(`get service ${name} -n production -o wide --no-headers`);
      address = stdout.trim().split(/ +/)[3] ?? '';
      return /^[0-9.]+$/.test(address);
    });
    return address;
  };

  test('web-service: who is in its source ranges gets in, another does not', async () => {
    await kubectl.ok('create', 'namespace', 'production');
    await kubectl.feed(BACKENDS, 'apply', '-f', '-');
    await kubectl.feed(WEB_SERVICE, 'apply', '-f', '-');
    await kubectl.feed(INTERNAL_API, 'apply', '-f', '-');
    const address = await external('web-service');
    await lab.until('the allowed machine gets in', async () => {
      const { kind, code } = await lab.client('outside').http(address, 80, 2000);
      return kind === 'answer' && code === '200';
    });
    expect((await lab.client('machine').tcp(address, 80, SILENCE_MS)).kind).toBe('silence');
  });

  test('internal-api: an address of the virtual network, for those who are in it', async () => {
    const address = await external('internal-api');
    expect(address).toMatch(/^10\.0\./);
    await lab.until('the virtual network gets in', async () => {
      return (await lab.client('inside').tcp(address, 443, 2000)).pod === 'api';
    });
    expect((await lab.client('outside').tcp(address, 443, SILENCE_MS)).kind).toBe('silence');
  });

  test('nslookup kubernetes.default', async () => {
    const { code, stdout } = await once(
      'dns-test',
      'run dns-test --image=busybox --rm -it -- nslookup kubernetes.default',
    );
    expect([code, stdout]).toEqual([0, expect.stringContaining('kubernetes.default.svc.cluster.local')]);
  });

  test('the logs and the Service of the cluster’s DNS', async () => {
    const logs = await typed('logs -n kube-system -l k8s-app=kube-dns');
    expect([logs.code, logs.stdout]).toEqual([0, expect.stringMatching(/\S/)]);
    const service = await typed('get service -n kube-system kube-dns');
    expect(service.stdout).toMatch(
      new RegExp(
        `kube-dns +ClusterIP +${lab.cluster.dnsServiceIp.replaceAll('.', '\\.')} +<none> +53/UDP,53/TCP`,
      ),
    );
  });

  test('wget of a Service by its name', async () => {
    await kubectl.ok('wait', '--for=condition=Ready', 'pod/api', '--timeout=60s');
    const { code, stdout } = await once(
      'test-pod',
      'run test-pod --image=busybox --rm -it -- wget -O- http://api-service:8080',
    );
    expect([code, stdout]).toEqual([0, expect.stringContaining('Host: api-service:8080')]);
  });

  test('a pod finds the API by its environment, and proves itself to it', async () => {
    const command =
      'd=/var/run/secrets/kubernetes.io/serviceaccount; curl -sS --cacert $d/ca.crt -H "Authorization: Bearer $(cat $d/token)" ' +
      '"https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/version" https://kubernetes.default.svc/version';
    const out = await kubectl.ok('exec', '-n', 'services', 'client-2', '--', 'sh', '-c', command);
    expect(out.match(/"gitVersion"/g)).toHaveLength(2);
  });
}
