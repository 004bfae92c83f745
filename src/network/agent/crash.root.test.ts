import { rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CRASH_STEPS, type CrashStep } from './crash.ts';
import { bundleAgent, NOTHING_LEFT, type PluginAnswer, TestNode } from './testing.ts';

let bundle: string;
let node: TestNode;

beforeAll(async () => {
  bundle = await bundleAgent();
  node = new TestNode(bundle);
});
afterAll(async () => {
  await node.close();
  rmSync(bundle);
});

const addressOf = (answer: PluginAnswer | undefined): string => answer?.json.ips[0].address.split('/')[0];
const recorded = (): Map<string, string> =>
  new Map(node.records().map(({ containerId, addresses }) => [containerId, addresses[0] ?? '']));

/** Sends `command` for all at once to an agent that dies at `step`, and brings the agent back without that. */
async function crash(step: CrashStep, command: 'ADD' | 'DEL', pods: readonly string[]) {
  await node.start({ FLYOVER_CRASH_AT: step });
  for (const pod of pods) node.net.namespace(pod);
  const answers = await Promise.all(pods.map((pod) => node.cni(command, pod)));
  await node.ended();
  await node.start();
  expect(
    answers.some((answer) => answer === undefined),
    `${step} was reached`,
  ).toBe(true);
  return new Map(pods.map((pod, i) => [pod, answers[i]]));
}

async function check(pods: ReadonlyMap<string, string>): Promise<void> {
  expect(new Set(pods.values()).size, 'every address once').toBe(pods.size);
  for (const [pod, address] of pods) {
    expect(recorded().get(pod)).toBe(address);
    expect(node.net.pings(pod, '10.0.1.1'), pod).toBe(true);
  }
}

it.each(CRASH_STEPS.filter((step) => step.startsWith('add:')))('survives SIGKILL at %s', async (step) => {
  await node.start();
  const live = new Map([['base', addressOf(await node.add('base'))]]);
  await node.stop('SIGKILL');
  const answers = await crash(step, 'ADD', ['x0', 'x1', 'x2', 'x3']);
  const before = recorded();
  for (const [i, [pod, answer]] of [...answers].entries()) {
    expect(answer === undefined || answer.exit === 0).toBe(true);
    if (answer) live.set(pod, addressOf(answer));
    else if (i % 2 === 0) {
      // The runtime asks again for the same sandbox: the address that was written down for it stays its own.
      const again = await node.cni('ADD', pod);
      expect(again?.json).not.toHaveProperty('code');
      if (before.has(pod)) expect(addressOf(again)).toBe(before.get(pod));
      live.set(pod, addressOf(again));
    } else expect((await node.cni('DEL', pod))?.exit).toBe(0);
  }
  await check(live);
  await Promise.all([...live.keys()].map((pod) => node.cni('DEL', pod)));
  expect(node.leftovers()).toEqual(NOTHING_LEFT);
  expect(node.records()).toEqual([]);
  await node.stop();
});

it.each(CRASH_STEPS.filter((step) => step.startsWith('del:')))('survives SIGKILL at %s', async (step) => {
  await node.start();
  const live = new Map<string, string>();
  for (const pod of ['base', 'y0', 'y1', 'y2', 'y3']) live.set(pod, addressOf(await node.add(pod)));
  await node.stop('SIGKILL');
  const answers = await crash(step, 'DEL', ['y0', 'y1', 'y2', 'y3']);
  for (const [pod, answer] of answers) {
    expect(answer === undefined || answer.exit === 0).toBe(true);
    live.delete(pod);
    if (!answer) expect((await node.cni('DEL', pod))?.exit).toBe(0);
  }
  // None of the addresses may be on its way to two pods.
  for (const pod of ['z0', 'z1']) live.set(pod, addressOf(await node.add(pod)));
  await check(live);
  await Promise.all([...live.keys()].map((pod) => node.cni('DEL', pod)));
  expect(node.leftovers()).toEqual(NOTHING_LEFT);
  expect(node.records()).toEqual([]);
  await node.stop();
});

it('refuses a step that does not exist', async () => {
  const child = node.net.spawn('node', [process.execPath, bundle], {
    ...process.env,
    FLYOVER_CRASH_AT: 'add:nothing',
  });
  let output = '';
  child.stderr?.on('data', (chunk) => {
    output += String(chunk);
  });
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(2);
  expect(output).toContain('FLYOVER_CRASH_AT=add:nothing is not a step; the steps are add:begin,');
});
