import { constants } from 'node:fs'
import { access, mkdir, readFile } from 'node:fs/promises'
import { release } from 'node:os'
import { dirname, join } from 'node:path'
import { type Architecture, architectures } from './architectures.ts'
import { cacheFolder, replaceFile } from './cache.ts'
import type { Progress } from './debian.ts'
import { execute } from './process.ts'
import { type Accelerator, qemuProgram, startQemu } from './qemu.ts'

/** Milliseconds a kernel may take to its first process under an accelerator worth using. TCG itself needs 1500. */
const PROOF_DEADLINE = 8000

/**
 * The fastest accelerator that really boots a kernel here: emulation for machines other than this one. /dev/kvm may be there and still hang or crash every guest, so
 * KVM is proved once by booting `kernel`; the answer is kept until QEMU, the host's kernel or its boot is another.
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
  const file = join(cacheFolder(), 'accelerator.json')
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
      // Without a root disk it may well panic afterwards; by then it has proved enough.
      if (/as init process|Kernel panic - not syncing/.test(text)) resolve(true)
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
