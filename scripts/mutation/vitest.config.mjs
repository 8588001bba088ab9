import { defineConfig } from 'vitest/config'

const tests = process.env.MUTATION_TESTS

export default defineConfig({
  test: {
    include: [`${tests}/**/*.test.ts`],
    exclude: ['test/unit/engine/layout/**'],
    testTimeout: 180_000,
    // Most of the time would go into importing the same modules. The tests of plans share a directory that each file removes.
    isolate: tests === 'test/unit/plan',
  },
})
