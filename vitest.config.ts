import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{packages,apps,tools}/*/src/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Files that start servers of their own or load both cores run alone, after the others.
    pool: 'forks',
    maxWorkers: 2,
  },
});
