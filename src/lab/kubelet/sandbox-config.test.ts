import { expect, test } from 'vitest';
import { sandboxConfig } from './sandbox-config.ts';
import { testPod } from './testing-pods.ts';

const settings = {
  dns: { servers: [], searches: [], options: [], domain: '' },
  clusterDomain: 'cluster.local',
};

test('a pod on its own network has a host name, one on the node has the node as it is', () => {
  const nameOf = (spec: Parameters<typeof testPod>[0]) => sandboxConfig(testPod(spec), 0, settings).hostname;
  expect(nameOf({})).toBe(testPod({}).name);
  expect(nameOf({ hostname: 'web-0' })).toBe('web-0');
  expect(nameOf({ hostNetwork: true })).toBe('');
  expect(nameOf({ hostNetwork: true, hostname: 'web-0', subdomain: 'web', setHostnameAsFQDN: true })).toBe(
    '',
  );
});

test('one privileged container, of whatever kind, makes the sandbox so', () => {
  const ofSandbox = (spec: Parameters<typeof testPod>[0]) =>
    sandboxConfig(testPod(spec), 0, settings).linux?.securityContext?.privileged;
  const privileged = { name: 'p', image: 'i:1', securityContext: { privileged: true } };
  expect(ofSandbox({})).toBe(false);
  expect(ofSandbox({ containers: [privileged] })).toBe(true);
  expect(ofSandbox({ initContainers: [privileged] })).toBe(true);
});
