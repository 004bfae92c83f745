import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { pathOf } from '../../kube/resources.ts';
import type { Deployment, Service } from '../../kube/types.ts';
import { dnsAddons } from './addon.ts';

const dist = mkdtempSync(join(tmpdir(), 'fly-test-dns-addon-'));
afterAll(() => rmSync(dist, { recursive: true }));
writeFileSync(join(dist, 'dns.js'), 'one');

const addons = () =>
  dnsAddons({ dnsServiceIp: '10.0.0.10', apiServerAddress: '198.19.0.5' }, { node: '/opt/n/bin/node', dist });
const find = <T>(kind: string): T => addons().find(({ type }) => type.kind === kind)!.object as T;

test('everything that AKS documents name is there', () => {
  const names = addons().map(({ type, object: { metadata } }) => pathOf(type, metadata));
  expect(names).toEqual([
    '/api/v1/namespaces/kube-system/serviceaccounts/coredns',
    '/apis/rbac.authorization.k8s.io/v1/clusterroles/system:coredns'.replace(':', '%3A'),
    '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:coredns'.replace(':', '%3A'),
    '/api/v1/namespaces/kube-system/services/kube-dns',
    '/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets/coredns-pdb',
    '/apis/apps/v1/namespaces/kube-system/deployments/coredns',
  ]);
});

test('the Service has the address that pods are told, and selects the pods', () => {
  const { spec } = find<Service>('Service');
  expect(spec?.clusterIP).toBe('10.0.0.10');
  expect(spec?.ports?.map(({ name, port, protocol }) => `${name} ${port} ${protocol}`)).toEqual([
    'dns 53 UDP',
    'dns-tcp 53 TCP',
    'metrics 9153 TCP',
  ]);
  const template = find<Deployment>('Deployment').spec?.template;
  expect(template?.metadata?.labels).toMatchObject(spec?.selector ?? { none: '' });
});

test('pods need nothing of what they serve, and are rolled out when the program changes', () => {
  const container = () => find<Deployment>('Deployment').spec!.template.spec!.containers[0]!;
  const { env, image } = container();
  expect(env).toContainEqual({ name: 'KUBERNETES_SERVICE_HOST', value: '198.19.0.5' });
  expect(find<Deployment>('Deployment').spec?.template.spec?.dnsPolicy).toBe('Default');
  writeFileSync(join(dist, 'dns.js'), 'two');
  expect(container().image).not.toBe(image);
});
