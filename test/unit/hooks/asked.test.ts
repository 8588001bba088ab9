import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ASKED } from '../../../src/hooks/hook-script.ts'
import { MARK_FILE } from '../../../src/hooks/request-mark.ts'

const BOOT_ID = '/proc/sys/kernel/random/boot_id'

/** What a hook's shell finds out, with these files in place of the machine's; undefined: the file is not there. */
function asked(mark: string | undefined, boot: string | undefined): string {
  const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-asked-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const [markFile, bootFile] = [join(directory, 'mark'), join(directory, 'boot')]
  if (mark !== undefined) writeFileSync(markFile, mark)
  if (boot !== undefined) writeFileSync(bootFile, boot)
  const script = ASKED.replaceAll(MARK_FILE, markFile).replaceAll(BOOT_ID, bootFile)
  return execFileSync('/bin/sh', ['-c', `${script}\necho "[$asked]"`], { encoding: 'utf8' }).trim()
}

test.each([
  ['in this boot', 'kexec 0b-1\n', '0b-1\n', '[kexec]'],
  ['in this boot, or through the firmware', 'kexec-or-firmware 0b-1\n', '0b-1\n', '[kexec-or-firmware]'],
  ['in an earlier boot, on a /run that outlives it', 'kexec 0b-1\n', '0b-2\n', '[]'],
  ['by what knew no boots', 'kexec\n', '0b-2\n', '[]'],
  ['never', undefined, '0b-2\n', '[]'],
  ['never, without /proc', undefined, undefined, '[]'],
])('asked for %s', (_when, mark, boot, expected) => {
  expect(asked(mark, boot)).toBe(expected)
})
