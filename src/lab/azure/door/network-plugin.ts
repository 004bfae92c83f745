import { LabError } from '../../errors.ts';
import type { NetworkPlugin } from '../types.ts';

/** As `az aks create --network-plugin` has them, as far as the lab has what they stand for. */
const PLUGINS: readonly NetworkPlugin[] = ['azure', 'none'];

/** @throws LabError naming the flag, the value, the rule and the way out. Pure. */
export function checkNetworkPlugin(value: string | undefined): NetworkPlugin {
  const plugin = PLUGINS.find((candidate) => candidate === (value ?? 'azure'));
  if (plugin) return plugin;
  throw new LabError({
    code: 'InvalidNetworkPlugin',
    field: '--network-plugin',
    value: String(value),
    rule: 'is no network plugin of the lab',
    fix: 'say azure, which is the overlay network, or none, to bring a network of your own',
  });
}

/** Whether the lab gives a cluster its network. Clusters made before there was a choice say nothing of it. */
export function hasOwnNetwork(cluster: { networkPlugin?: NetworkPlugin }): boolean {
  return cluster.networkPlugin === 'none';
}
