import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LAB_CACHE } from '../paths.ts';
import { BUILD_COMMAND, buildApart, runBuilder } from './builder.ts';
import { serveRegistry } from './server.ts';
import { ImageStore } from './store.ts';

/*
 * The lab's registry as a process of its own: small, and nothing is lost when it is killed and started again.
 *
 *   --listen IP:PORT    where it serves
 *   --netns FILE        in which network namespace; the process stays in the machine's, where packages come from
 *   --store DIR         images; default: where the lab keeps built ones
 *   --password-file F   who pushes is `flyover` with this password; made, mode 0600, when missing. Default: no pushes
 *   --exact             only exactly the names that are there; no ready-made image for other tags than `latest`
 *   --prepare           build the ready-made images now, one after another, and not at their first pull
 */
const OPTIONS = {
  listen: { type: 'string' },
  netns: { type: 'string' },
  store: { type: 'string' },
  'password-file': { type: 'string' },
  exact: { type: 'boolean' },
  prepare: { type: 'boolean' },
} as const;

export const PUSH_USER = 'flyover';

function log(msg: string): void {
  process.stderr.write(`${JSON.stringify({ level: 30, time: Date.now(), msg })}\n`);
}

function addressOf(text: string | undefined): { host: string; port: number } {
  const found = /^\[?([0-9a-f.:]+?)\]?:(\d{1,5})$/i.exec(text ?? '');
  const [host = '', port] = [found?.[1], Number(found?.[2])];
  if (isIP(host) && port <= 65535) return { host, port };
  throw new Error(`--listen '${text ?? ''}' is not an address and a port; write 198.19.0.254:5000`);
}

/** The password in the file, which is made when it is missing. */
function passwordIn(path: string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    writeFileSync(path, `${randomBytes(18).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const password = readFileSync(path, 'utf8').trim();
  if (password.length < 8) throw new Error(`--password-file '${path}' holds no password; remove it`);
  return password;
}

async function serve(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS, strict: true });
  const store = new ImageStore(values.store ?? join(LAB_CACHE, 'images'));
  const program = fileURLToPath(import.meta.url);
  const passwordFile = values['password-file'];
  const registry = await serveRegistry({
    store,
    listen: { ...addressOf(values.listen), ...(values.netns === undefined ? {} : { netns: values.netns }) },
    push: passwordFile === undefined ? 'nobody' : { user: PUSH_USER, password: passwordIn(passwordFile) },
    standIns: {
      build: (recipe, step) => buildApart(program, store.folder, recipe, step),
      anyTag: values.exact !== true,
    },
    log,
  });
  const stop = (): void => void registry.close().finally(() => process.exit(0));
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('unhandledRejection', (error) => log(`unhandled rejection: ${(error as Error)?.stack}`));
  process.stdout.write(`${JSON.stringify({ url: registry.url })}\n`);
  if (values.prepare) await registry.prepare();
}

const [command, name, folder] = process.argv.slice(2);
try {
  if (command === BUILD_COMMAND && name !== undefined && folder !== undefined) await runBuilder(name, folder);
  else await serve();
} catch (error) {
  process.stderr.write(`registry: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
