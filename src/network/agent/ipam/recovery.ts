import * as z from 'zod';
import { type Clock, SteadyTime } from './clock.ts';
import type { StateFolder } from './folder.ts';
import { Holdings, holdingsSchema } from './holdings.ts';
import { corrupt, JournalWriter, readJournal } from './journal.ts';
import { type PoolOptions, Pools } from './pools.ts';
import { changeSchema, type IpamRecord, keyText } from './record.ts';

const stateSchema = holdingsSchema.extend({ time: z.object({ bootId: z.string(), offset: z.number() }) });

/** What `IpamStore.open` found. */
export interface IpamOpening {
  /** Whether there was no state at all: a new node, or one whose state was taken away. */
  readonly fresh: boolean;
  /** Bytes of an unacknowledged write that a crash cut short, and that were left out. */
  readonly tornBytes: number;
  /** Records with an address outside the node's blocks: held until they are released. */
  readonly outsideBlocks: readonly IpamRecord[];
  /** The same for a log, one sentence each; empty when there is nothing to say. */
  readonly notes: readonly string[];
}

/** What is known after reading the state and putting it on disk afresh. */
export interface Recovered {
  readonly holdings: Holdings;
  readonly time: SteadyTime;
  readonly pools: Pools;
  readonly writer: JournalWriter;
  readonly opening: IpamOpening;
}

/**
 * Rebuilds the state from its folder, which is locked already. The journal is rewritten at once: that removes a
 * torn end, stores the clock, and proves that the disk takes writes before the first pod depends on it.
 * @throws IpamError `corrupt`; whatever the folder throws
 */
export async function recover(folder: StateFolder, clock: Clock, options: PoolOptions): Promise<Recovered> {
  const contents = await readJournal(folder);
  const saved = contents.state === undefined ? undefined : stateSchema.safeParse(contents.state);
  const damaged = (rule: string, cause: unknown) => corrupt(`${folder.path}/ipam.journal`, 0, 0, rule, cause);
  if (saved && !saved.success) throw damaged('is not a state', saved.error);
  let holdings: Holdings;
  try {
    holdings = new Holdings(saved?.data);
    for (const change of contents.changes) holdings.apply(changeSchema.parse(change));
  } catch (error) {
    throw damaged('begins a history that contradicts itself', error);
  }
  const time = new SteadyTime(clock, saved?.data.time, holdings.latest());
  const pools = new Pools(options, holdings);
  const now = time.now();
  // Of other blocks only what still rests is worth remembering: the node may get its old block back.
  holdings.forget((address, at) => !pools.serves(address) && at + pools.cooldownMs <= now);
  const writer = new JournalWriter(folder, contents.line);
  await writer.rewrite({ time: time.save(), ...holdings.toJSON() });
  const outsideBlocks = pools.outside(holdings);
  const fresh = contents.state === undefined;
  const notes: string[] = [];
  if (contents.tornBytes > 0) {
    notes.push(
      `left out ${contents.tornBytes} bytes of a write that a crash cut short; it was never acknowledged`,
    );
  }
  for (const record of outsideBlocks) {
    notes.push(
      `${keyText(record)} holds ${record.addresses.join(', ')} outside the node's blocks ${pools.blocks.join(', ')} ` +
        'until it is released',
    );
  }
  return {
    holdings,
    time,
    pools,
    writer,
    opening: { fresh, tornBytes: contents.tornBytes, outsideBlocks, notes },
  };
}
