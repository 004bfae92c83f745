import { chownSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { LAB_ENV } from '../../lab/paths.ts';
import { call } from '../../lab/supervisor/client.ts';
import type { ClusterView } from '../../lab/supervisor/views.ts';
import { mergeKubeconfigs, shellQuote } from '../kubeconfigs.ts';
import { type Format, outputOption } from '../output.ts';
import { print } from '../print.ts';
import { kubeconfigOf } from './kubeconfig.ts';

/** Who will use what is printed: under sudo that is not root. */
function caller(): { uid: number; gid: number } {
  const number = (name: string, own: number): number => {
    const text = process.env[name] ?? '';
    return /^\d{1,9}$/.test(text) ? Number(text) : own;
  };
  return { uid: number('SUDO_UID', process.getuid!()), gid: number('SUDO_GID', process.getgid!()) };
}

/** A folder of the caller's own, for nobody else to read; `down` removes it. */
function writeKubeconfig(text: string): string {
  const { uid, gid } = caller();
  mkdirSync(LAB_ENV, { recursive: true, mode: 0o711 });
  const folder = join(LAB_ENV, String(uid));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chownSync(folder, uid, gid);
  const path = join(folder, 'kubeconfig');
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  chownSync(`${path}.new`, uid, gid);
  renameSync(`${path}.new`, path);
  return path;
}

export function envCommand(): Command {
  return new Command('env')
    .argument(
      '[cluster]',
      'whose API kubectl is to use; the others are contexts beside it (default: the first)',
    )
    .description('print what a shell needs to use the lab: eval "$(sudo ./flyover env)"')
    .addOption(outputOption())
    .action(async (cluster: string | undefined, { output }: { output: Format }) => {
      const names = (await call<ClusterView[]>('GET', '/v1/clusters')).map(({ name }) => name);
      // A cluster that is not there is refused by the lab, which says which there are.
      if (cluster !== undefined && !names.includes(cluster)) await kubeconfigOf(cluster);
      const texts = await Promise.all(names.map((name) => kubeconfigOf(name)));
      const path = writeKubeconfig(mergeKubeconfigs(texts, cluster));
      const variables = { KUBECONFIG: path };
      if (output === 'table') {
        const lines = Object.entries(variables).map(
          ([name, value]) => `export ${name}=${shellQuote(value)}\n`,
        );
        process.stdout.write(lines.join(''));
      } else print(variables, { output, columns: [] });
    });
}
