import { churn as run } from './churn/churn.ts';
import { type Bench, budgeted } from './result.ts';

const PARALLEL = 16;
/** Reaching its step so often, on average, kills an agent. */
const EVERY = 60;
/** Seconds for a pod; half a minute for a thousand. */
const BUDGET = 0.06;

/** The long form of the churn test; its rounds are pods. */
export const churn: Bench = {
  name: 'churn',
  title: '10,000 pods (--rounds N), 16 at a time, with the agent killed at every step of ADD and DEL in turn',
  rounds: 10_000,
  place: 'inside',
  extra: true,
  async run({ scratch, rounds, progress }) {
    const report = await run({ scratch, pods: rounds, parallel: PARALLEL, every: EVERY, progress });
    const { seconds, kills, failedAdds, most, faults, leaks } = report;
    const killed = Object.entries(kills).map(([step, times]) => `${step} ${times}`);
    await progress(`${failedAdds} ADDs failed, at most ${most} pods at a time; kills: ${killed.join(', ')}`);
    const wrong = [...faults, ...leaks];
    if (wrong.length > 0) {
      throw new Error(`${wrong.length} things are wrong:\n${wrong.slice(0, 50).join('\n')}`);
    }
    return [{ name: 'churn/all', unit: 's', ...budgeted(seconds, rounds * BUDGET) }];
  },
};
