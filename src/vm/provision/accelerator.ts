import { constants } from 'node:fs'
import { access, mkdir, readFile } from 'node:fs/promises'
import { release } from 'node:os'
import { dirname, join } from 'node:path'
import { cacheDirectory, replaceFile } from '../host/cache.ts'
import { execute } from '../host/process.ts'
import { type Accelerator, type Architecture, architectures } from '../machine/architectures.ts'
import { qemuProgram, startQemu } from '../machine/qemu.ts'
import type { Progress } from './debian.ts'

/**
 * Milliseconds a kernel may take to its first process under an accelerator worth using. TCG itself needs 1500; a busy machine
 * takes ten times as long, and is not to be without KVM until it boots again for that.
 */
const PROOF_DEADLINE = 40_000

/** The kernel has reached its first process, or has found that there is none. Another panic proves nothing. */
const cameUp = /as init process|not syncing: (VFS: Unable to mount root|No working init|Attempted to kill init)/

/**
 * The fastest accelerator that really boots a kernel here: emulation for machines other than this one. /dev/kvm may
 * exist and still hang or crash every guest, so KVM is verified once by booting `kernel`. The result is kept until
 * QEMU, the host's kernel or its boot changes.
 */
export async function provenAccelerator(
  architecture: Architecture,
  kernel: string,
  initrd: string | undefined,
  progress: Progress,
): Promise<Accelerator> {
  if (architecture !== architectures.amd64) return 'tcg'
  const usable = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  )
  if (!usable) return 'tcg'
  const version = (await execute(qemuProgram(architecture), ['--version'])).toString().split('\n', 1)[0] ?? ''
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  const key = [version, release(), boot].join(' ')
  const file = join(cacheDirectory(), 'accelerator.json')
  const known = await readFile(file, 'utf8').then(
    (text) => JSON.parse(text) as { key: string; accelerator: Accelerator },
    () => undefined,
  )
  if (known?.key === key) return known.accelerator
  const accelerator = (await boots('kvm', kernel, initrd)) ? 'kvm' : 'tcg'
  if (accelerator === 'tcg') progress('/dev/kvm is there but does not boot a kernel; using emulation (TCG)')
  await mkdir(dirname(file), { recursive: true })
  await replaceFile(file, JSON.stringify({ key, accelerator }))
  return accelerator
}

async function boots(accelerator: Accelerator, kernel: string, initrd: string | undefined): Promise<boolean> {
  const commandLine = 'console=ttyS0 panic=-1 loglevel=7'
  const qemu = startQemu({
    accelerator,
    direct: { kernel, initrd, commandLine },
    ...{ memory: 512, cpus: 1, disks: [], survivesReset: false, extra: [] },
  })
  let text = ''
  const reached = new Promise<boolean>((resolve) => {
    qemu.console.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (cameUp.test(text)) resolve(true)
    })
    void qemu.exit.then(() => resolve(false))
  })
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, PROOF_DEADLINE, false)
  })
  const answer = await Promise.race([reached, deadline])
  clearTimeout(timer)
  qemu.kill('SIGKILL')
  await qemu.exit
  return answer
}
