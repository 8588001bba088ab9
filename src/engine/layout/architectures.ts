import type { KernelImage } from '../../image/model/image.ts'
import { arm } from './arm.ts'
import { arm64 } from './arm64/arm64.ts'
import { ppc64 } from './ppc64/ppc64.ts'
import { riscv64 } from './riscv64.ts'
import type { SegmentArchitecture } from './segments/architecture.ts'
import { x86_64 } from './x86_64/x86_64.ts'

const architectures: readonly SegmentArchitecture[] = [x86_64, arm64, riscv64, arm, ppc64]

/** In words, for messages: 'x86_64 and aarch64'. */
export const servedArchitectures = new Intl.ListFormat('en').format(architectures.map(({ name }) => name))

/** The layout for such a kernel; undefined where there is none. */
export function segmentArchitecture(image: KernelImage): SegmentArchitecture | undefined {
  return architectures.find((each) => each.isLoadable(image))
}
