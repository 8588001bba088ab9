import { defineConfig } from 'vitest/config'

/** `npm run test:trial`: many trials of random kinds, one after the other on one machine. */
export default defineConfig({
  test: {
    name: 'trial',
    include: ['test/trial/**/*.test.ts'],
    // The watchdog's time, boots, and a busy host.
    testTimeout: 900_000,
    hookTimeout: 900_000,
    maxWorkers: 1,
  },
})
