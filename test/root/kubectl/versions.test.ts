// A smaller part with the other versions of kubectl that this machine has.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { findKubectl } from '../lab/kubectl.ts';
import { NGINX, withKubectl } from './testing-suite.ts';

const folder = dirname(findKubectl() ?? '/usr/bin/kubectl');
const others = ['1.30', '1.31', '1.33', '1.34', '1.35', '1.36']
  .map((version) => join(folder, `kubectl.${version}`))
  .filter((path) => existsSync(path));

withKubectl('other versions of kubectl', (suite) => {
  test.skipIf(others.length === 0).each(others.map((program) => [program.split('kubectl.')[1]!, program]))(
    '%s',
    async (version, program) => {
      const ok = (command: string | string[], stdin = '') => suite.ok(command, stdin, { program });
      const namespace = `v${version.replace('.', '-')}`;
      await ok(`create namespace ${namespace}`);
      await ok(`config set-context --current --namespace=${namespace}`);
      expect(await ok('apply -f -', NGINX)).toBe('deployment.apps/web created\n');
      expect(await ok('apply -f -', NGINX)).toBe('deployment.apps/web unchanged\n');
      expect(await ok('get deploy')).toMatch(/^web +0\/2/m);
      await ok('scale deploy/web --replicas=1');
      await ok('apply --server-side --force-conflicts -f -', NGINX);
      await ok('create configmap c --from-literal=a=1');
      await ok(['patch', 'cm', 'c', '-p', '{"data":{"b":"2"}}']);
      await ok('label cm c x=y');
      expect(await ok('get cm c -o yaml')).toContain('x: "y"'.replaceAll('"', '').slice(0, 2));
      expect(await ok('explain deployment.spec')).toContain('replicas');
      expect(await ok('api-resources')).toContain('deployments');
      expect(await ok('auth can-i create pods')).toBe('yes\n');
      expect(await ok('describe deploy web')).toContain('nginx:1.25');
      await ok('expose deploy/web --port=80');
      await ok('delete deploy,cm,svc --all');
      expect(await ok(`delete ns ${namespace} --wait=false`)).toContain('deleted');
    },
  );
});
