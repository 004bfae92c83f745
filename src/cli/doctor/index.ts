export type { Check } from './check.ts';
export { doctorCommand } from './command.ts';
export { failedLabChecks, runDoctor } from './run.ts';
