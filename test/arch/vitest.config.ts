import { defineConfig } from 'vitest/config'

/** `npm run test:arch`: machines of every architecture, emulated. Slow ones are slow: minutes for a command of ours. */
export default defineConfig({
  test: {
    name: 'arch',
    include: ['test/arch/**/*.test.ts'],
    testTimeout: 1_800_000,
    hookTimeout: 1_800_000,
    // Each keeps a core busy.
    maxWorkers: 1,
  },
})
