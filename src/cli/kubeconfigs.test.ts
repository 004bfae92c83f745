import { spawnSync } from 'node:child_process';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { kubeconfigText } from '../lab/kubernetes/auth/kubeconfig.ts';
import { mergeKubeconfigs, shellQuote } from './kubeconfigs.ts';

const config = (cluster: string): string =>
  kubeconfigText({
    server: `https://198.19.0.4:443`,
    ca: 'CA',
    cluster,
    user: 'admin',
    cert: 'C',
    key: 'K',
  });

test('a merged kubeconfig has all contexts, each with its own user, and the one that was asked for', () => {
  const merged = parse(mergeKubeconfigs([config('blue'), config('green')], 'green'));
  expect(merged.contexts.map((context: { name: string }) => context.name)).toEqual(['blue', 'green']);
  expect(merged['current-context']).toBe('green');
  const users = new Set(merged.users.map((user: { name: string }) => user.name));
  expect(users.size).toBe(2);
  for (const { context } of merged.contexts) expect(users).toContain(context.user);
});

test('without a wish the first context is the current one, and without clusters there is none', () => {
  expect(parse(mergeKubeconfigs([config('blue'), config('green')]))['current-context']).toBe('blue');
  expect(parse(mergeKubeconfigs([]))).not.toHaveProperty('current-context');
});

test('a quoted word reaches a command as it was', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom(...` '"$\\\`ab/-!#&;\n`) }), { maxLength: 5 }),
      (words) => {
        const script = `printf '%s\\0' ${words.map(shellQuote).join(' ')}`;
        const { stdout } = spawnSync('/bin/sh', ['-c', script], { encoding: 'utf8' });
        const expected = words.length === 0 ? '\0' : words.map((word) => `${word}\0`).join('');
        return stdout === expected;
      },
    ),
    { numRuns: 30 },
  );
});
