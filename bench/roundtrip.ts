import { roundTrips, startAnswering } from './harness/ping-pong.ts';
import { median, orderOf } from './harness/statistics.ts';
import { buildPaths, NODE_TO_NODE, POD_TO_POD } from './paths.ts';
import { type Bench, compared } from './result.ts';

/** Questions of one connection. */
const COUNT = 2000;

/** 64 bytes there and back over TCP, one after another, over each path in turn. */
export const roundtrip: Bench = {
  name: 'roundtrip',
  title: '64 bytes there and back over TCP from pod to pod, against node to node through the same fabric',
  rounds: 20,
  place: 'inside',
  async run({ scratch, rounds, progress }) {
    const paths = await buildPaths(scratch);
    for (const { to } of paths) await startAnswering(to.netns);
    const samples = new Map<string, number[]>(paths.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const { name, from, to } of orderOf(paths, round)) {
        samples.get(name)!.push(median(await roundTrips(from.netns, to.address, COUNT)));
      }
      await progress(`round ${round + 1} of ${rounds}`);
    }
    return paths
      .filter(({ name }) => name !== NODE_TO_NODE)
      .map(({ name }) => ({
        name: `roundtrip/${name}`,
        unit: 'us',
        ...compared(samples.get(name)!, samples.get(NODE_TO_NODE)!),
        against: NODE_TO_NODE,
        ...(name === POD_TO_POD ? { target: '<= 1.2' } : {}),
      }));
  },
};
