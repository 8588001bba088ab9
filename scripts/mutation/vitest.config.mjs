import { defineConfig } from 'vitest/config'

const include = JSON.parse(process.env.MUTATION_TESTS)

export default defineConfig({
  test: {
    include,
    testTimeout: 180_000,
    // Most of the time would go into importing the same modules. The tests of plans share a directory that each file removes.
    isolate: include.some((pattern) => pattern.startsWith('test/unit/plan/')),
  },
})
