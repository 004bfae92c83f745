import { cni } from './cni.ts';
import type { Bench } from './result.ts';

/** Every bench, in the order in which they run. */
export const benches: readonly Bench[] = [cni];

/** @throws RangeError that lists the names there are */
export function benchNamed(name: string): Bench {
  const found = benches.find((bench) => bench.name === name);
  if (found) return found;
  throw new RangeError(
    `no bench is called '${name}'; there are ${benches.map((one) => one.name).join(', ')}`,
  );
}
