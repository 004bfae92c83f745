import { describe, expect, it } from 'vitest';
import { SteadyTime, systemClock } from './clock.ts';
import { FakeClock } from './fake-clock.ts';

describe('SteadyTime', () => {
  it('follows real time within one boot, over restarts too, whatever the wall clock does', () => {
    const clock = new FakeClock();
    const first = new SteadyTime(clock, undefined, 0);
    const start = first.now();
    expect(start).toBe(clock.wall());
    clock.real += 1_000;
    clock.setWall(86_400_000);
    expect(first.now()).toBe(start + 1_000);
    clock.real += 500;
    const second = new SteadyTime(clock, first.save(), start + 1_000);
    expect(second.now()).toBe(start + 1_500);
    clock.setWall(-999_999_999);
    clock.real += 1;
    expect(second.now()).toBe(start + 1_501);
  });

  it('goes on at the wall clock after a boot', () => {
    const clock = new FakeClock();
    const first = new SteadyTime(clock, undefined, 0);
    const [saved, recorded] = [first.save(), first.now()];
    clock.reboot(60_000);
    expect(new SteadyTime(clock, saved, recorded).now()).toBe(clock.wall());
  });

  it('never goes back: a clock that was set back goes on at what was recorded', () => {
    const clock = new FakeClock();
    const first = new SteadyTime(clock, undefined, 0);
    clock.real += 5_000;
    const [saved, recorded] = [first.save(), first.now()];
    clock.setWall(-3_600_000);
    clock.reboot();
    const second = new SteadyTime(clock, saved, recorded);
    expect(second.now()).toBe(recorded);
    clock.real += 10;
    expect(second.now()).toBe(recorded + 10);
  });

  it('runs on the real clocks', () => {
    const clock = systemClock();
    const time = new SteadyTime(clock, undefined, 0);
    const before = time.now();
    expect(Math.abs(before - Date.now())).toBeLessThan(1_000);
    expect(time.now()).toBeGreaterThanOrEqual(before);
    expect(systemClock().bootId).toBe(clock.bootId);
    expect(clock.bootId).toMatch(/^[0-9a-f-]{36}$/);
  });
});
