import { writeSync } from 'node:fs';
import { isAddressError } from '../../../address/error.ts';
import { IpamStore } from './store.ts';

/**
 * For tests: an agent's use of the store, as fast as it goes, told on stdout line by line, until somebody kills it.
 * `+` and `-` are written when a change was acknowledged, `?` before one is asked for.
 */
const [dir = '', prefix = ''] = process.argv.slice(2);
const say = (line: string) => writeSync(1, `${line}\n`);
const store = await IpamStore.open(dir, { blocks: ['10.244.0.0/25', 'fd12::/121'], cooldownSeconds: 0 });
say('ready');

async function lives(slot: number): Promise<void> {
  for (let i = 0; ; i++) {
    const key = { containerId: `${prefix}-${slot}-${i}`, ifName: 'eth0' };
    say(`? ${key.containerId}`);
    try {
      const { record } = await store.allocate({ ...key, netns: '/run/netns/test', hostLink: 'azvtest' });
      say(`+ ${key.containerId} ${record.addresses.join()}`);
      if (slot % 4 === 0 && i % 10 === 0) continue;
      say(`? ${key.containerId}`);
      await store.release(key);
      say(`- ${key.containerId}`);
    } catch (error) {
      if (!isAddressError(error, 'exhausted', 'cooling-down')) throw error;
      return;
    }
  }
}

await Promise.all(Array.from({ length: 16 }, (_, slot) => lives(slot)));
// All that is left are the addresses kept on purpose; wait to be killed.
setInterval(() => {}, 60_000);
