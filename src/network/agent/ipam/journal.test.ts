import { describe, expect, it } from 'vitest';
import { isIpamError } from './error.ts';
import { FakeDisk } from './fake-disk.ts';
import { JournalWriter, readJournal } from './journal.ts';
import { decodeLines, encodeLine } from './line.ts';

const NAME = 'ipam.journal';

async function written(...batches: string[][]): Promise<FakeDisk> {
  const disk = new FakeDisk(() => 0);
  const writer = new JournalWriter(disk.open(), 0);
  await writer.rewrite({ first: 'ä' });
  for (const batch of batches) await writer.append(batch);
  return disk;
}

async function refusal(disk: FakeDisk): Promise<string> {
  try {
    await readJournal(disk.open());
  } catch (error) {
    if (isIpamError(error, 'corrupt')) return error.message;
    throw error;
  }
  throw new Error('was read');
}

function edited(disk: FakeDisk, edit: (lines: Buffer[]) => Buffer[]): FakeDisk {
  const data = disk.contents(NAME)!;
  const starts = decodeLines(data).map((line) => line.offset);
  const lines = starts.map((start, i) => Buffer.from(data.subarray(start, starts[i + 1])));
  disk.put(NAME, Buffer.concat(edit(lines)));
  return disk;
}

describe('the journal', () => {
  it('gives back what was written', async () => {
    expect(await readJournal(new FakeDisk(() => 0).open())).toEqual({ changes: [], line: 0, tornBytes: 0 });
    const disk = await written(['one', 'line\nbreak'], ['two']);
    expect(await readJournal(disk.open())).toEqual({
      state: { first: 'ä' },
      changes: ['one', 'line\nbreak', 'two'],
      line: 3,
      tornBytes: 0,
    });
  });

  it('leaves out a last line that was cut anywhere, or is followed by rubbish', async () => {
    const disk = await written(['one'], ['two']);
    const whole = Buffer.from(disk.contents(NAME)!);
    const lastStart = decodeLines(whole).at(-1)!.offset;
    for (let end = lastStart; end < whole.length; end++) {
      disk.put(NAME, whole.subarray(0, end));
      expect(await readJournal(disk.open())).toMatchObject({
        changes: ['one'],
        line: 2,
        tornBytes: end - lastStart,
      });
      disk.put(NAME, Buffer.concat([whole.subarray(0, end), Buffer.alloc(whole.length - end)]));
      expect(await readJournal(disk.open())).toMatchObject({ changes: ['one'], line: 2 });
    }
    disk.put(NAME, Buffer.concat([whole, Buffer.from('rub\nbish\n\n')]));
    expect(await readJournal(disk.open())).toMatchObject({ changes: ['one', 'two'], tornBytes: 10 });
  });

  it('refuses any damage before the last line, and says where and what to do', async () => {
    const whole = Buffer.from((await written(['one'], ['two'])).contents(NAME)!);
    const lastStart = decodeLines(whole).at(-1)!.offset;
    for (let at = 0; at < lastStart; at++) {
      const disk = new FakeDisk(() => 0);
      disk.put(NAME, Buffer.from(whole));
      disk.damage(NAME, at);
      expect(await refusal(disk)).toMatch(/is damaged: line [12] \(byte [0-9]+\)/);
    }
    const disk = await written(['one'], ['two']);
    disk.damage(NAME, decodeLines(whole)[1]!.offset + 12);
    expect(await refusal(disk)).toBe(
      `state file '/fake/ipam.journal' is damaged: line 2 (byte ${decodeLines(whole)[1]!.offset}) is damaged, but lines ` +
        'after it are not. Nothing was changed, and no address is given out; restore the file from a backup, or drain ' +
        'the node (so that no pod runs on it), move the file away and start the agent again',
    );
  });

  it('refuses a file whose lines were taken out, repeated or swapped', async () => {
    const three = () => written(['one'], ['two'], ['three']);
    expect(await refusal(edited(await three(), (lines) => [lines[0]!, lines[2]!, lines[3]!]))).toMatch(
      /line 2 .* is number 3 where 2 belongs/,
    );
    expect(await refusal(edited(await three(), (lines) => lines.slice(1)))).toMatch(
      /does not start with a state/,
    );
    expect(await refusal(edited(await three(), ([a, b, c, d]) => [a!, c!, b!, d!]))).toMatch(/is number/);
    expect(await refusal(edited(await three(), ([a, b]) => [a!, b!, b!]))).toMatch(
      /line 3 .* is number 2 where 3/,
    );
    expect(await refusal(edited(await three(), () => []))).toMatch(/does not start with a state/);
    const alien = (line: Buffer[]) => [...line, Buffer.from(encodeLine({ hello: 'world' }))];
    expect(await refusal(edited(await three(), alien))).toMatch(/line 5 .* is not a list of changes/);
  });

  it('refuses the format of a newer agent', async () => {
    const disk = new FakeDisk(() => 0);
    disk.put(NAME, Buffer.from(encodeLine({ version: 2, line: 1, state: {} })));
    expect(await refusal(disk)).toMatch(
      /in version 2 of its format, and this agent knows version 1; start the agent/,
    );
  });

  it('goes on numbering after a rewrite', async () => {
    const disk = await written(['one']);
    const { line } = await readJournal(disk.open());
    const writer = new JournalWriter(disk.open(), line);
    await expect(writer.append(['early'])).rejects.toThrow(/has to be rewritten/);
    await writer.rewrite({ second: true });
    expect(writer.changeBytes).toBe(0);
    await writer.append(['two']);
    expect(writer.bytes).toBe(disk.contents(NAME)!.length);
    expect(writer.changeBytes).toBeGreaterThan(0);
    expect(await readJournal(disk.open())).toMatchObject({
      state: { second: true },
      changes: ['two'],
      line: 4,
    });
  });
});
