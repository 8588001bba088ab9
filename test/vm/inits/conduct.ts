import { readFileSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import type { ImageEntry, UserlandName, Vm } from '../../../src/vm/index.ts'
import { blankDisk, examineDisk, findDisk } from '../disk.ts'
import { BOOT, json, machineForFile } from '../guests.ts'
import { captureInit } from './capture.ts'
import { ON_STOP } from './services.ts'
import { type Outcome, rowOf } from './table.ts'

/** One init system as the tests conduct it. */
export interface Init {
  readonly userland: UserlandName
  /** Its name for --via. */
  readonly name: string
  /** What people call it, in the table. */
  readonly title: string
  /** The slow service, one file or several. */
  readonly service: ImageEntry | readonly ImageEntry[]
  /** Shell that starts it, where it is not started at boot because it needs the data disk; or what else is to run. */
  readonly start?: string
  /** The first file of the hook; undefined where none is needed. */
  readonly hook?: string
  /** Shell that asks for a plain reboot, where a hook is to tell that it was asked for a kexec and no kernel is loaded. */
  readonly plainReboot?: string
  /** What the hook does then: it 'waits' for an administrator, or the same kernel 'starts again' with all services. Default: 'waits'. */
  readonly failing?: 'waits' | 'starts again'
}

/** Shell that tells whether `linux-kexec reboot` still runs. When it has ended, who started it may be too busy to notice (Z). */
const IS_ASKING = 'grep -qs "^State:[[:space:]]*[^Z[:space:]]" "/proc/$(cat /run/asking)/status"'

/** The tests of one init system, on one machine; at the end the row of docs/init-systems.md that they make. */
export function conduct(init: Init): void {
  const machine = machineForFile(
    { memory: 1536, disks: [blankDisk()] },
    { userland: init.userland, packages: ['e2fsprogs'], files: [init.service].flat() },
  )
  const outcome: Outcome = { title: init.title }

  test('it is told by its name, and kexec-tools is not there', async () => {
    const { document } = await json(machine.vm, 'linux-kexec handover')
    expect(document).toMatchObject({ init: init.name, via: init.name })
    if (process.env['UPDATE_INIT_SYSTEMS']) await captureInit(machine.vm, init.name)
    expect((await machine.vm.run('ls /sbin/kexec /usr/sbin/kexec')).status).not.toBe(0)
  })

  test('nothing loaded: refused, and the services go on', async () => {
    const { status, stderr } = await machine.vm.run('linux-kexec reboot')
    expect({ status, stderr }).toEqual({ status: 4, stderr: expect.stringContaining('no kernel is loaded') })
    outcome.nothingLoaded = 'refused'
  })

  test.skipIf(init.hook === undefined)('hook missing, not ours, changed: each refused with what to do', async () => {
    const { vm } = machine
    const { hook } = init
    const install = 'linux-kexec handover --install'
    await vm.run('linux-kexec load newest')
    const missing = await vm.run('linux-kexec reboot')
    expect(missing).toMatchObject({ status: 3, stderr: expect.stringContaining(install) })
    outcome.hookMissing = 'refused'

    await vm.run(`mkdir -p $(dirname ${hook}); echo '#!/bin/sh' >${hook}`)
    expect(await vm.run(install)).toMatchObject({
      status: 3,
      stderr: expect.stringContaining(`${hook} does not belong to linux-kexec`),
    })
    expect(await vm.run('linux-kexec reboot')).toMatchObject({ status: 3 })
    expect((await vm.run(`cat ${hook}; rm ${hook}`)).stdout).toBe('#!/bin/sh\n')
    outcome.hookForeign = 'refused'

    expect(await vm.run(install)).toMatchObject({ status: 0 })
    const changed = await vm.run(`echo '# changed' >>${hook}; linux-kexec reboot`)
    expect(changed).toMatchObject({ status: 3, stderr: expect.stringContaining(install) })
    outcome.hookChanged = 'refused'
    expect(await vm.run(`${install} && linux-kexec handover`)).toMatchObject({ status: 0 })
  })

  test('the slow service has stopped, the file system is clean, and the planned kernel runs', async () => {
    const { vm } = machine
    await prepare(vm, init, 'sleep 2; echo stopped in order >/mnt/data/service')
    const { document } = await json(vm, 'linux-kexec load newest --append marker=1')
    await vm.spawn('linux-kexec reboot')
    const boot = await vm.booted(BOOT)
    expect(boot).toMatchObject({ release: machine.newer, commandLine: document.plan.commandLine })
    outcome.works = 'yes'
    const { stdout } = await vm.run(examineDisk)
    expect(stdout).toContain('stopped in order')
    expect(stdout).toMatch(/Filesystem state: +clean/)
    expect(stdout).not.toContain('needs_recovery')
    expect(stdout).toContain('fsck 0')
    outcome.clean = 'yes'
  })

  test('a service that hangs: the deadline is told; it unloads the kernel: that is refused, and the kernel comes up', async () => {
    const { vm } = machine
    // The service goes on when linux-kexec has given up waiting.
    await prepare(vm, init, `while ${IS_ASKING}; do sleep 0.1; done; linux-kexec unload >/dev/console 2>&1`)
    await vm.run(`linux-kexec load ${machine.older}`)
    await vm.spawn('echo $$ >/run/asking; exec linux-kexec reboot --deadline 3')
    expect((await vm.booted(BOOT)).release).toBe(machine.older)
    // On a terminal sentences are wrapped, and the console is one.
    const said = vm.console
      .map(({ text }) => text)
      .join('')
      .replaceAll(/\s+/g, ' ')
    expect(said).toContain('did not begin to stop this process within 3 s')
    outcome.hangs = 'reported'
    expect(said).toContain('kexec_load_disabled')
    outcome.unloaded = 'prevented'
  })

  test.skipIf(init.plainReboot === undefined)(
    'a kexec that was asked for and cannot be: what the hook does',
    async () => {
      const { vm } = machine
      const { failing = 'waits' } = init
      const { stdout } =
        await vm.run(`mkdir -p /run/linux-kexec; echo "kexec $(cat /proc/sys/kernel/random/boot_id)" >/run/linux-kexec/handover
      linux-kexec handover --install >/dev/null; cat /proc/sys/kernel/random/boot_id`)
      const waits = consoleSays(vm, 'type reboot here and press Enter')
      await vm.spawn(init.plainReboot ?? '')
      if (failing === 'waits') await waits
      else expect((await vm.booted(BOOT)).bootId).toBe(stdout.trim())
      outcome.fails = failing
    },
  )

  afterAll(() => {
    const row = rowOf(outcome)
    console.error(row)
    expect(readFileSync('docs/init-systems.md', 'utf8')).toContain(row)
  })
}

/** The hook, a fresh file system in use, and the service started, with what it does when it is stopped. */
async function prepare(vm: Vm, init: Init, onStop: string): Promise<void> {
  const script = `${findDisk}
    umount /mnt/after 2>/dev/null
    set -e
    mkfs.ext4 -qF $d; mkdir -p /mnt/data; mount $d /mnt/data; echo running >/mnt/data/service
    cat >${ON_STOP} <<'END'
${onStop}
END
    ${init.start ?? ''}
    linux-kexec handover --install`
  const { status, stderr } = await vm.run(script)
  expect({ status, stderr }).toMatchObject({ status: 0 })
}

/** Resolves when the console has said this; the machine's own deadlines bound the wait. */
export function consoleSays(vm: Vm, words: string): Promise<void> {
  return new Promise((resolve) => {
    let said = ''
    const end = vm.onConsole((text) => {
      said += text
      if (!said.includes(words)) return
      end()
      resolve()
    })
  })
}
