// The API server's process. Prints one line of JSON on stdout when it serves; logs on stderr; SIGTERM drains it.
import { setFlagsFromString } from 'node:v8';
import { nthAddress, parseCidr } from '../../../address/cidr.ts';
import { formatAddress } from '../../../address/ip.ts';
import { ensurePki } from '../auth/pki.ts';
import { startApiServer } from '../server/start.ts';
import { readOptions } from './options.ts';

function log(level: 'info' | 'error', message: string, fields: Record<string, unknown> = {}): void {
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`);
}

async function main(): Promise<void> {
  // V8 would let its heap grow to many times what lives in it before it collects, and what SQLite and TLS keep for objects that are dead grows
  // with it: after 10,000 pods 135 MB of memory instead of 260, at the same speed.
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=20');
  const options = readOptions(process.argv.slice(2));
  const service = formatAddress(nthAddress(parseCidr(options.serviceCidr), 1));
  await ensurePki(options.pki, {
    cluster: options.cluster,
    addresses: [...new Set([...options.addresses, service])],
    names: [],
  });
  const server = await startApiServer({
    ...options,
    onError: (error, what) =>
      log('error', error instanceof Error ? error.message : String(error), {
        what,
        ...(error instanceof Error && { stack: error.stack }),
      }),
  });
  // A fault in one request's aftermath must not take everybody's watches with it.
  process.on('unhandledRejection', (error) =>
    log('error', error instanceof Error ? (error.stack ?? error.message) : String(error), {
      what: 'unhandled',
    }),
  );
  let ending = false;
  const end = (signal: NodeJS.Signals) => {
    if (ending) return;
    ending = true;
    log('info', 'draining', { signal });
    server.close().then(
      () => process.exit(0),
      (error) => {
        log('error', String(error));
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  const { addresses, cluster } = options;
  process.stdout.write(
    `${JSON.stringify({ ready: true, cluster, addresses, port: server.port, pid: process.pid })}\n`,
  );
}

main().catch((error: unknown) => {
  log('error', error instanceof Error ? error.message : String(error));
  process.exit(1);
});
