import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { expect, it } from 'vitest';
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
