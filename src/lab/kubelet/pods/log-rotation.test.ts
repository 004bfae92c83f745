import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { LARGEST_LOG, rotateLog } from './log-rotation.ts';

const folder = mkdtempSync(join(tmpdir(), 'fly-test-logs-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a large log is put aside, the oldest go, and one that the runtime keeps writing stays', async () => {
  const path = join(folder, '0.log');
  const grow = () => {
    writeFileSync(path, '');
    truncateSync(path, LARGEST_LOG);
  };
  const cri = { reopenContainerLog: async () => writeFileSync(path, 'new') };
  writeFileSync(path, 'small');
  expect(await rotateLog(cri, 'c', path)).toBe(false);
  const start = Date.parse('2026-01-31T09:30:00Z');
  for (let i = 0; i < 6; i++) {
    grow();
    expect(await rotateLog(cri, 'c', path, start + i * 1000)).toBe(true);
  }
  expect(readdirSync(folder).sort()).toEqual([
    '0.log',
    ...[2, 3, 4, 5].map((second) => `0.log.20260131-09300${second}`),
  ]);
  grow();
  const broken = { reopenContainerLog: () => Promise.reject(new Error('no')) };
  await expect(rotateLog(broken, 'c', path, start + 9000)).rejects.toThrow('no');
  expect(readdirSync(folder)).toContain('0.log');
  expect(readdirSync(folder)).not.toContain('0.log.20260131-093009');
});
