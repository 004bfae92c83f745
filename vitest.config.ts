import { defineConfig } from 'vitest/config';

// Two projects. `unit` needs no privileges and runs in seconds. `root` makes namespaces, containers and
// kernel tables of its own; its files run one after another because they measure and count packets.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/unit/**/*.test.ts'],
          exclude: ['src/**/*.root.test.ts'],
        },
      },
      {
        test: {
          name: 'root',
          include: ['src/**/*.root.test.ts', 'test/root/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          // setns moves the calling thread, so tests run in processes, not worker threads.
          pool: 'forks',
          fileParallelism: false,
        },
      },
    ],
  },
});
