import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      // A deadline for what hangs: a busy machine takes ten times as long.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 180_000 } },
      {
        test: {
          name: 'vm',
          include: ['test/vm/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          // A guest keeps a core busy and wants a gigabyte: two files at a time, after all unit tests.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
