import { churn } from './churn.ts';
import { cni } from './cni.ts';
import { dns } from './dns.ts';
import { kubeApi } from './kube-api.ts';
import { clusterReady, nodeMemory } from './lab.ts';
import { operator } from './operator.ts';
import { pods } from './pods.ts';
import type { Bench } from './result.ts';
import { roundtrip } from './roundtrip.ts';
import { services } from './services.ts';
import { throughput } from './throughput.ts';

/** Every bench, in the order in which they run. */
export const benches: readonly Bench[] = [
  cni,
  throughput,
  roundtrip,
  services,
  nodeMemory,
  clusterReady,
  pods,
  kubeApi,
  operator,
  dns,
  churn,
];

/** @throws RangeError that lists the names there are */
export function benchNamed(name: string): Bench {
  const found = benches.find((bench) => bench.name === name);
  if (found) return found;
  throw new RangeError(
    `no bench is called '${name}'; there are ${benches.map((one) => one.name).join(', ')}`,
  );
}
