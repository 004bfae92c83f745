import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ChurnReport } from '../../../bench/churn/churn.ts';
import { runContained } from '../../../bench/harness/contain.ts';
import { bundleAgent, frontPath } from '../../../src/network/agent/testing.ts';

/** Needs root. The long form of it, with 10,000 pods, is `flyover bench churn`. */
const PODS = 600;
const folder = mkdtempSync(join(tmpdir(), 'fly-test-churn-'));
let agent: string;

beforeAll(async () => {
  frontPath();
  agent = await bundleAgent();
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(agent, { force: true });
});

test(`${PODS} pods, 16 at a time, with the agent killed at every step of ADD and DEL: no address twice, nothing left`, {
  timeout: 120_000,
}, async () => {
  const program = join(import.meta.dirname, 'main.ts');
  const report = await runContained<ChurnReport>([folder, agent, String(PODS), '12'], program);
  expect(report.faults).toEqual([]);
  expect(report.leaks).toEqual([]);
  expect(report.pods).toBe(PODS);
  expect(Object.entries(report.kills).filter(([, times]) => times === 0)).toEqual([]);
  expect(report.failedAdds).toBeGreaterThan(0);
});
