import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { expect, it } from 'vitest';
import { KubeClient } from '../../../kube/client.ts';
import { loadKubeConfig } from '../../../kube/kube-config.ts';
import { PODS } from '../../../kube/resources.ts';
import { startTestApiServer } from './testing.ts';

it('ends at once although connections are shaking hands or have never asked anything', async () => {
  const api = await startTestApiServer();
  const { hostname, port } = new URL(api.url);
  const raw = connect(Number(port), hostname);
  const idle = tlsConnect({ host: hostname, port: Number(port), rejectUnauthorized: false });
  for (const socket of [raw, idle]) socket.on('error', () => undefined);
  await Promise.all([once(raw, 'connect'), once(idle, 'secureConnect')]);
  const ended = Promise.all([once(raw, 'close'), once(idle, 'close')]);
  const started = performance.now();
  await api.close();
  expect(performance.now() - started).toBeLessThan(2000);
  await ended;
});

it('ends at once although who watched comes back on the same connection', async () => {
  const api = await startTestApiServer();
  using client = new KubeClient(loadKubeConfig({ kubeconfig: api.kubeconfig }));
  const { signal } = new AbortController();
  const first = Promise.withResolvers<void>();
  let watches = 0;
  const watching = (async () => {
    // An informer without patience.
    for (;;) {
      for await (const _ of client.watch(PODS, { signal, opened: first.resolve })) expect.unreachable();
      watches++;
    }
  })();
  await first.promise;
  await api.close();
  // Refused, not cut off when the server's patience was over.
  await expect(watching).rejects.toThrow(/^GET .* at 127\.0\.0\.1/);
  expect(watches).toBeGreaterThan(0);
});
