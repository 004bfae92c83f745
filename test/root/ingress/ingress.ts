import { join } from 'node:path';
import { expect, test } from 'vitest';
import { flyover } from '../lab/cli.ts';
import type { ServiceLab } from '../services/lab.ts';

const IMAGE = 'ingress-nginx';
const LOGS = ['logs', '-n', 'ingress', '-l', 'app=ingress-nginx', '--tail=30'];

const CONTROLLER = `apiVersion: v1
kind: Namespace
metadata: { name: ingress }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: nginx, namespace: ingress }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: ingress-nginx }
rules:
- { apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [list, watch] }
- { apiGroups: [networking.k8s.io], resources: [ingresses/status], verbs: [patch] }
- { apiGroups: [''], resources: [services], verbs: [list] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: ingress-nginx }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: ingress-nginx }
subjects: [{ kind: ServiceAccount, name: nginx, namespace: ingress }]
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: { name: nginx, annotations: { ingressclass.kubernetes.io/is-default-class: "true" } }
spec: { controller: example.com/nginx }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ingress-nginx, namespace: ingress }
spec:
  replicas: 1
  selector: { matchLabels: { app: ingress-nginx } }
  template:
    metadata: { labels: { app: ingress-nginx } }
    spec:
      serviceAccountName: nginx
      terminationGracePeriodSeconds: 1
      containers:
      - name: nginx
        image: ${IMAGE}
        ports: [{ name: http, containerPort: 80 }]
        readinessProbe: { tcpSocket: { port: 80 }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: ingress-nginx, namespace: ingress }
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  selector: { app: ingress-nginx }
  ports: [{ name: http, port: 80, targetPort: http }]
`;

const backend = (name: string): string => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${name} } }
spec:
  terminationGracePeriodSeconds: 1
  containers: [{ name: web, image: registry.k8s.io/echoserver }]
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { selector: { app: ${name} }, ports: [{ name: web, port: 80, targetPort: 8080 }] }
---
`;

const INGRESS = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: shop, namespace: shop }
spec:
  rules:
  - host: shop.example
    http:
      paths:
      - { path: /cart, pathType: Prefix, backend: { service: { name: cart, port: { name: web } } } }
      - { path: /, pathType: Prefix, backend: { service: { name: front, port: { number: 80 } } } }
  - host: blog.example
    http:
      paths:
      - { path: /about, pathType: Exact, backend: { service: { name: front, port: { number: 80 } } } }
`;

/** nginx of Debian's package with a controller of the test's own: what anybody's ingress controller needs is there. */
export function ingressTests(lab: ServiceLab): void {
  const { kubectl } = lab;
  let address = '';

  /** Which pod answers a request of the machine outside; the status when it is none. */
  async function curl(host: string, path: string): Promise<string> {
    const url = `http://${host}${path}`;
    const argv = [
      'curl',
      '-sS',
      '-m',
      '20',
      '--resolve',
      `${host}:80:${address}`,
      '-w',
      '\n%{http_code}',
      url,
    ];
    const { stdout, stderr } = await flyover('host', 'exec', 'outside', '--', ...argv);
    const lines = stdout.trim().split('\n');
    const pod = /^Hostname: (.*)$/m.exec(stdout)?.[1];
    return pod ?? lines.at(-1) ?? stderr;
  }

  test('an image of nginx and a controller is built, and runs behind a load balancer', async () => {
    const { code, stderr } = await flyover(
      ...['image', 'build', IMAGE, '--packages', 'nginx,curl,jq', '--command', '/opt/ingress/controller.sh'],
      ...['--file', `${join(import.meta.dirname, 'controller.sh')}:/opt/ingress/controller.sh`],
      ...['--file', `${join(import.meta.dirname, 'nginx.jq')}:/opt/ingress/nginx.jq`],
    );
    expect([code, stderr]).toEqual([0, expect.anything()]);
    await kubectl.feed(CONTROLLER, 'apply', '-f', '-');
    await kubectl.ok('create', 'namespace', 'shop');
    await kubectl.feed(`${backend('cart')}${backend('front')}${INGRESS}`, 'apply', '-f', '-');
    await kubectl.ok('wait', '-n', 'shop', '--for=condition=Ready', 'pods', '--all', '--timeout=60s');
    const rollout = ['rollout', 'status', '-n', 'ingress', 'deployment/ingress-nginx', '--timeout=40s'];
    const { code: runs, stderr: why } = await kubectl.run(rollout);
    expect([runs, why, runs && (await kubectl.run(LOGS)).stdout]).toEqual([0, '', 0]);
    expect(
      await kubectl.ok('get', '-n', 'shop', 'ingress', 'shop', '-o', 'jsonpath={.spec.ingressClassName}'),
    ).toBe('nginx');
  });

  test('the Ingress says where it is served', async () => {
    const columns = async () =>
      (await kubectl.ok('get', '-n', 'shop', 'ingress', '--no-headers')).trim().split(/ +/);
    await lab.until('the Ingress has an address', async () => /^[0-9.]+$/.test((await columns())[3] ?? ''));
    const [name, className, hosts, served, ports] = await columns();
    expect([name, className, hosts, ports]).toEqual(['shop', 'nginx', 'shop.example,blog.example', '80']);
    address = served ?? '';
    const service = ['get', '-n', 'ingress', 'service', 'ingress-nginx'];
    expect(await kubectl.ok(...service, '-o', 'jsonpath={.status.loadBalancer.ingress[0].ip}')).toBe(address);
    await lab.until('it answers', async () => (await curl('shop.example', '/')) === 'front');
  });

  test.each([
    ['shop.example', '/', 'front'],
    ['shop.example', '/cart', 'cart'],
    ['shop.example', '/cart/42?x=1', 'cart'],
    ['shop.example', '/cartoon', 'front'],
    ['blog.example', '/about', 'front'],
    ['blog.example', '/about/us', '404'],
    ['other.example', '/', '404'],
  ])('http://%s%s is answered by %s', async (host, path, answered) => {
    expect(await curl(host, path)).toBe(answered);
  });

  test('a rule that is changed is followed', async () => {
    const path = '/spec/rules/0/http/paths/0/backend/service/name';
    const patch = JSON.stringify([{ op: 'replace', path, value: 'front' }]);
    await kubectl.ok('patch', '-n', 'shop', 'ingress', 'shop', '--type=json', '-p', patch);
    await lab.until(
      'the cart is at the front',
      async () => (await curl('shop.example', '/cart')) === 'front',
    );
  });
}
