import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { findMachine } from './machine.ts';
import { readRecord, removeRecord, writeRecord } from './record.ts';

const folder = mkdtempSync(join(tmpdir(), 'fly-test-record-'));
const ref = { id: 'n1', stateDir: join(folder, 'disk'), runDir: join(folder, 'run') };
afterAll(() => rmSync(folder, { recursive: true }));

test('a record is read back, closed to others, and gone when removed', () => {
  expect(readRecord(ref)).toBeUndefined();
  const record = {
    hostname: 'h',
    addresses: ['10.0.0.1'],
    init: { pid: 5, startTime: '6' },
    services: { agent: { pid: 7, startTime: '8' } },
  };
  writeRecord(ref, record);
  expect(readRecord(ref)).toEqual(record);
  expect(statSync(join(ref.runDir, 'machine.json')).mode & 0o777).toBe(0o600);
  removeRecord(ref);
  expect(readRecord(ref)).toBeUndefined();
});

test('a damaged record finds nothing', () => {
  writeRecord(ref, { hostname: 'h', addresses: [], services: {} });
  for (const text of [
    '',
    'null',
    '[]',
    '{"hostname":1}',
    '{"hostname":"h"',
    '{"hostname":"h","addresses":{}}',
  ]) {
    writeFileSync(join(ref.runDir, 'machine.json'), text);
    expect(readRecord(ref), text).toBeUndefined();
    expect(findMachine(ref), text).toBeUndefined();
  }
  const damaged = {
    hostname: 'h',
    addresses: [1, 'a'],
    init: { pid: '1' },
    services: { a: null, b: { pid: 1 } },
  };
  writeFileSync(join(ref.runDir, 'machine.json'), JSON.stringify(damaged));
  expect(readRecord(ref)).toEqual({ hostname: 'h', addresses: ['a'], services: {} });
});
