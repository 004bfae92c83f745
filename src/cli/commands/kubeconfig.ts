import { Command } from 'commander';
import { parse } from 'yaml';
import { call } from '../../lab/supervisor/client.ts';
import { apiPath } from '../lab-call.ts';
import { type Format, outputOption } from '../output.ts';

/** The administrator's kubeconfig of a cluster. */
export async function kubeconfigOf(cluster: string): Promise<string> {
  const { kubeconfig } = await call<{ kubeconfig: string }>(
    'GET',
    apiPath('clusters', cluster, 'kubeconfig'),
  );
  return kubeconfig;
}

export function kubeconfigCommand(): Command {
  return new Command('kubeconfig')
    .argument('<cluster>')
    .description("print a cluster's kubeconfig, with the rights of its administrator")
    .addOption(outputOption())
    .addHelpText(
      'after',
      '\nExamples:\n  flyover kubeconfig shop >shop.conf && kubectl --kubeconfig shop.conf get nodes\n  eval "$(sudo ./flyover env shop)"   # for this shell alone',
    )
    .action(async (cluster: string, { output }: { output: Format }) => {
      const text = await kubeconfigOf(cluster);
      // A kubeconfig has one form that people expect, and it is no table.
      process.stdout.write(output === 'json' ? `${JSON.stringify(parse(text), null, 2)}\n` : text);
    });
}
