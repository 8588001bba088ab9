import { rmSync } from 'node:fs'
import { expect } from 'vitest'
import { type Boot, type GuestKernel, startVm, type Vm } from '../../../src/vm/index.ts'
import { busyboxInit } from '../../../src/vm/initramfs/scripts.ts'
import { BOOT, guestOfSeries, json } from '../guests.ts'
import { environmentBlock, type MenuName, menus, mountSlotDisk, slotDisk } from './slot-disk.ts'

/** modprobe needs the lists of both kernels' modules. */
const everyRelease = `for each in /lib/modules/*; do /sbin/depmod \${each##*/}; done`

/** The files of the machine's partitions are there before its agent reports. */
const init = busyboxInit.replace('\nsetsid ', `\n${mountSlotDisk}${everyRelease}\nsetsid `)

/** Files that a trial puts in place of the initrd's own /init. */
const inits = {
  panics: '#!/bin/sh\nexit 7\n',
  sleeps: '#!/bin/sh\nwhile :; do /bin/usleep 100000000; done\n',
  // As the initrds of distributions: they wait, and then give a shell to a person who is not there.
  'has-no-root': `#!/bin/sh
export PATH=/bin
mount -t devtmpfs dev /dev
for second in 1 2 3; do [ -b /dev/no-such-root ] && break; usleep 1000000; done
echo 'ALERT! /dev/no-such-root does not exist. Dropping to a shell!' >/dev/console
exec sh -c 'while :; do usleep 100000000; done'
`,
}

/** What the directory of the records and the menu look like, and how the trial stands. */
export interface Standing {
  readonly release: string
  // biome-ignore lint/suspicious/noExplicitAny: the trials assert its shape
  readonly status: any
  /** Names of the files of the directory of the records. */
  readonly files: readonly string[]
  /** Ids of the trials in the history. */
  readonly history: readonly string[]
}

/** A machine whose firmware starts GRUB, which starts slot A or B: what a reset does is up to the files of its disk. */
export class SlotMachine {
  readonly vm: Vm
  readonly older: string
  readonly newer: string
  /** Milliseconds of its last boot, through firmware and GRUB. */
  bootTime: number
  readonly #directory: string

  private constructor(vm: Vm, kernels: readonly [GuestKernel, GuestKernel], bootTime: number, directory: string) {
    this.vm = vm
    this.older = kernels[0].release
    this.newer = kernels[1].release
    this.bootTime = bootTime
    this.#directory = directory
  }

  static async start(): Promise<SlotMachine> {
    const guest = await guestOfSeries({
      modules: ['i6300esb'],
      packages: ['kmod'],
      files: [
        { path: '/sbin/init', data: init, mode: 0o755 },
        ...Object.entries(inits).map(([name, data]) => ({ path: `/opt/${name}`, data, mode: 0o755 })),
      ],
    })
    // Debian's 6.1 for clouds has no driver for the watchdog.
    const later = guest.kernels.filter(({ release }) => !release.startsWith('6.1.'))
    const kernels = [later[0] as GuestKernel, later.at(-1) as GuestKernel] as const
    const { directory, ...disk } = await slotDisk(kernels)
    const begin = performance.now()
    const vm = await startVm({
      guest,
      bootLoader: 'disk',
      disks: [disk],
      firmwareReboot: 'after-panic',
      panicGrace: 180_000,
      qemuArguments: ['-device', 'i6300esb', '-action', 'watchdog=reset'],
    })
    await vm.booted(BOOT)
    return new SlotMachine(vm, kernels, performance.now() - begin, directory)
  }

  /**
   * Brings it to slot A, with a menu and with or without its watchdog, whatever the trial before has left.
   * @returns how that trial stands
   */
  async prepare(menu: MenuName, isWatched: boolean): Promise<Standing> {
    let standing = await this.standing()
    if (standing.release !== this.older) {
      await this.#writeBlock('saved-old')
      await this.powerCut()
      standing = await this.standing()
      expect(standing.release).toBe(this.older)
    }
    await this.#writeBlock(menu)
    const driver = isWatched ? 'modprobe i6300esb' : 'modprobe -r i6300esb'
    const result = await this.vm.run(`rm -rf /etc/linux-kexec
      [ "$(cat /sys/kernel/kexec_loaded)" = 0 ] || linux-kexec unload >/dev/null; ${driver}`)
    expect(result, result.stderr).toMatchObject({ status: 0 })
    return standing
  }

  /** In place, as grub-editenv does it: GRUB replays no journal. */
  async #writeBlock(menu: MenuName): Promise<void> {
    const block = environmentBlock(menus[menu])
    const written = await this.vm.run(
      `printf %s '${block}' | dd of=/boot/grub/grubenv conv=notrunc,fsync 2>/dev/null && sync`,
    )
    expect(written, written.stderr).toMatchObject({ status: 0 })
  }

  /** Resets it without a word to its kernel. @returns the next boot */
  async powerCut(): Promise<Boot> {
    const at = performance.now()
    this.vm.reset()
    for (;;) {
      const boot = await this.booted()
      // One that was up already may have been reported and not yet asked for.
      if (boot.at > at && !boot.commandLine.includes('linux_kexec.trial=')) {
        this.bootTime = boot.at - at
        return boot
      }
    }
  }

  booted(): Promise<Boot> {
    return this.vm.booted(BOOT)
  }

  async standing(): Promise<Standing> {
    const { stdout, document } = await json(this.vm, 'linux-kexec trial status')
    expect(stdout, 'trial status says something').not.toBe('')
    const more = await this.vm.run('uname -r; cd /var/lib/linux-kexec; ls -A; echo; cat trial-history.json 2>/dev/null')
    const [head = '', history = ''] = more.stdout.split('\n\n')
    const [release = '', ...files] = head.split('\n')
    const trials: { id: string }[] = history.trim() === '' ? [] : JSON.parse(history).trials
    return { release, status: document, files, history: trials.map(({ id }) => id) }
  }

  async stop(): Promise<void> {
    await this.vm.stop()
    rmSync(this.#directory, { recursive: true })
  }
}
