import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The files of test/vm that take minutes, the longest first. A new one that takes as long belongs here; docs/testing.md has the times. */
const LONGEST = [
  'segments',
  'trial',
  'signature-modes',
  'kexec8',
  'images',
  'services',
  'trial-deadman',
  'trial-watchdog',
  'trial-default',
  'black-box',
  'examples',
  'examples-rauc',
  'examples-test-your-updater',
  'rehearse',
  'segments-arm64',
  'matrix',
  'refused-images',
  'loaded-image',
  'doctor',
  'direct-refusals',
  'init-openrc-sysvinit',
  'unified-judge',
  'init-openrc-init',
  'last',
  'confinement',
  'direct',
  'init-sysvinit',
  'init-s6-linux-init',
]

/**
 * Unit tests, then real kernels, the longest files first, so that no processor waits for one at the end. Vitest knows how long
 * files take only where it ran before, and begins with those that have the most text: of init systems that is a few lines.
 */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ project, moduleId }: TestSpecification) => {
      if (project.name !== 'vm') return -1
      const index = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`))
      return index === -1 ? LONGEST.length : index
    }
    return (await super.sort(files)).sort((one, other) => place(one) - place(other))
  }
}

export default defineConfig({
  test: {
    /**
     * Of both projects together. Vitest's own number is the processors less one: on two that leaves one idle. Guests wait for
     * deadlines and for what shuts down, so there is one file more than processors; a guest wants a gigabyte, so five at most.
     */
    maxWorkers: Math.min(availableParallelism(), 4) + 1,
    sequence: { sequencer: LongestFirst },
    projects: [
      // A deadline for what hangs: a busy machine takes ten times as long.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 180_000, hookTimeout: 180_000 } },
      { test: { name: 'vm', include: ['test/vm/**/*.test.ts'], testTimeout: 600_000, hookTimeout: 600_000 } },
    ],
  },
})
