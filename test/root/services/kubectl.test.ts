import { expect, test } from 'vitest';
import { withKubectl } from '../kubectl/testing-suite.ts';

/** What an unmodified kubectl makes of Services and Ingresses; the words are kube-apiserver's. */
withKubectl('kubectl, Services and Ingresses', (k) => {
  const rows = async (command: string): Promise<string[][]> =>
    (await k.ok(command))
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/ {2,}/));

  test('expose and create service make every type', async () => {
    await k.ok('create deployment web --image=nginx --port=80');
    await k.ok('expose deployment web --target-port=8080 --session-affinity=ClientIP');
    await k.ok('expose deployment web --name=public --type=LoadBalancer --external-ip=192.0.2.9');
    await k.ok('create service clusterip headless --clusterip=None');
    await k.ok('create service nodeport node --tcp=80 --node-port=30080');
    await k.ok('create service loadbalancer pending --tcp=443:8443');
    await k.ok('create service externalname away --external-name=example.com');
    const shown = await rows('get services');
    expect(shown[0]).toEqual(['NAME', 'TYPE', 'CLUSTER-IP', 'EXTERNAL-IP', 'PORT(S)', 'AGE']);
    const address = expect.stringMatching(/^10\.0\.\d+\.\d+$/);
    expect(shown.slice(1).map((row) => row.slice(0, 5))).toEqual([
      ['away', 'ExternalName', '<none>', 'example.com', '<none>'],
      ['headless', 'ClusterIP', 'None', '<none>', '<none>'],
      ['kubernetes', 'ClusterIP', '10.0.0.1', '<none>', '443/TCP'],
      ['node', 'NodePort', address, '<none>', '80:30080/TCP'],
      ['pending', 'LoadBalancer', address, '<pending>', expect.stringMatching(/^443:3\d{4}\/TCP$/)],
      ['public', 'LoadBalancer', address, '192.0.2.9', expect.stringMatching(/^80:3\d{4}\/TCP$/)],
      ['web', 'ClusterIP', address, '<none>', '80/TCP'],
    ]);
    expect(await k.refused('create service nodeport twice --tcp=80 --node-port=30080')).toContain(
      'spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated',
    );
    expect(await k.ok('describe service public')).toMatch(
      /Type: +LoadBalancer\nIP Family Policy: +SingleStack\nIP Families: +IPv4\n(.*\n)*External IPs: +192\.0\.2\.9\n/,
    );
  });

  test('status of a load balancer is a subresource, and goes with the type', async () => {
    const status = '{"status":{"loadBalancer":{"ingress":[{"ip":"198.51.100.7"}]}}}';
    await k.ok(['patch', 'service', 'pending', '--subresource=status', '--type=merge', '-p', status]);
    expect((await rows('get service pending'))[1]?.[3]).toBe('198.51.100.7');
    const plain = '{"spec":{"type":"ClusterIP"}}';
    await k.ok(['patch', 'service', 'pending', '-p', plain]);
    expect((await rows('get service pending'))[1]?.slice(1, 5)).toEqual([
      'ClusterIP',
      expect.any(String),
      '<none>',
      '443/TCP',
    ]);
  });

  test('Ingresses have their columns, their class and their rules', async () => {
    await k.apply(`apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx, annotations: {ingressclass.kubernetes.io/is-default-class: "true"}}
spec: {controller: example.com/nginx}
`);
    await k.ok('create ingress shop --rule=shop.example/cart*=web:80 --rule=*.example/=web:80,tls=cert');
    expect(await rows('get ingress')).toEqual([
      ['NAME', 'CLASS', 'HOSTS', 'ADDRESS', 'PORTS', 'AGE'],
      ['shop', 'nginx', 'shop.example,*.example', '80, 443', expect.any(String)],
    ]);
    const described = await k.ok('describe ingress shop');
    expect(described).toMatch(/Ingress Class: +nginx\n/);
    expect(described).toMatch(/shop\.example\s+\/cart +web:80 /);
    expect(await rows('get ingressclasses')).toEqual([
      ['NAME', 'CONTROLLER', 'PARAMETERS', 'AGE'],
      ['nginx', 'example.com/nginx', '<none>', expect.any(String)],
    ]);
  });
});
