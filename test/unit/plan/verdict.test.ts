import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type PlanOptions, plan } from '../../../src/index.ts'
import type { Tree } from '../entries/tree.ts'
import { bookworm, machine } from '../policy/machines.ts'
import { debian, makeMachine } from './debian.ts'

const asksOfInitrds = 'dont_appraise fsmagic=0x1021994\nappraise func=KEXEC_INITRAMFS_CHECK appraise_type=imasig\n'

async function outcome(options: (root: string) => PlanOptions) {
  const root = makeMachine({
    ...debian,
    ...machine(bookworm, { '/sys/kernel/security/ima/policy': { text: asksOfInitrds } }),
    '/etc/motd': { text: 'hello\n' },
  })
  writeFileSync(join(root, 'boot/more.img'), 'x')
  using made = await plan({ root, entry: 'newest', ...options(root) })
  return made.verdict?.outcome
}

/** tmpfs is where linux-kexec joins them; a test's own files may lie there too, and would then not be appraised either. */
const onDisk = async () => (await import('node:fs')).statfsSync((await import('node:os')).tmpdir()).type !== 0x1021994

test('IMA is asked about the initrd that is loaded: a file, or what was joined in memory', async () => {
  if (await onDisk()) expect(await outcome(() => ({}))).toBe('will-be-refused')
  expect(await outcome(() => ({ overlay: ['/etc/motd'] }))).toBe('will-load')
  // A trial adds the deadman.
  expect(await outcome(() => ({ trial: { allowGaps: true } }))).toBe('will-load')
})

test('a refusal of the policy names the file only where another file would be taken', async () => {
  const refusalFor = async (changes: Tree) => {
    using made = await plan({ root: makeMachine({ ...debian, ...machine(bookworm, changes) }), entry: 'newest' })
    return made.refusals.map(({ reason, path, refused }) => ({ reason, path, refused }))
  }
  expect(await refusalFor({ '/proc/sys/kernel/kexec_load_disabled': { text: '1\n' } })).toEqual([
    { reason: 'kexec-disabled', path: undefined, refused: true },
  ])
  const locked = { '/sys/kernel/security/lockdown': { text: 'none [integrity] confidentiality\n' } }
  expect(await refusalFor(locked)).toEqual([
    { reason: 'lockdown', path: expect.stringMatching(/^\/boot\/vmlinuz-/), refused: true },
  ])
})
