import { beforeAll, describe, expect, test } from 'vitest'
import { json, machineForFile } from './guests.ts'

const machine = machineForFile({ append: 'console=tty0' })

/** What the guest needs to come up and be seen, whoever starts its kernels. */
const BASE = 'console=ttyS0 panic=-1 loglevel=6 nokaslr no_timer_check'

/** The first two entries of GRUB's menu as grub-mkconfig writes them, and a default that a saved_entry names. */
function grubConfig(older: string, newer: string): string {
  const entry = (title: string, id: string, release: string, more: string) => `
menuentry '${title}' --class debian --class gnu-linux $menuentry_id_option '${id}' {
	load_video
	if [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
	search --no-floppy --fs-uuid --set=root 0b7e9a3c-2d11-4b61-9f0e-55d1a2c90a11
	linux	/boot/vmlinuz-${release} ${BASE} ${more} $extra
	initrd	/boot/initrd.img-${release}
}
`
  return `
if [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "\${next_entry}" ] ; then
   set default="\${next_entry}"
   set next_entry=
   save_env next_entry
else
   set default="\${saved_entry}"
fi
if [ x"\${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi
export menuentry_id_option
function load_video {
  insmod all_video
}
set extra=from_a_variable
export extra
${entry('Debian GNU/Linux', 'gnulinux-simple', newer, 'from=simple')}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced' {
${entry(`Debian GNU/Linux, with Linux ${newer}`, `gnulinux-${newer}`, newer, 'from=advanced')}
${entry(`Debian GNU/Linux, with Linux ${older}`, `gnulinux-${older}`, older, 'from=older')}
}
`
}

/** grubenv is 1024 bytes, filled up with '#'. */
function environmentBlock(lines: string): string {
  return `# GRUB Environment Block\n${lines}`.padEnd(1024, '#')
}

async function put(path: string, text: string): Promise<void> {
  const { status } = await machine.vm.run(`mkdir -p $(dirname ${path}) && base64 -d > ${path} <<'END'
${Buffer.from(text)
  .toString('base64')
  .replace(/.{1,76}/g, '$&\n')}END`)
  expect(status).toBe(0)
}

async function restart(): Promise<{ release: string; commandLine: string }> {
  await machine.vm.spawn('linux-kexec reboot --via direct')
  return machine.vm.booted()
}

describe('GRUB', () => {
  beforeAll(async () => {
    await put('/boot/grub/grub.cfg', grubConfig(machine.older, machine.newer))
  })

  test('list shows its menu with the default that grubenv names', async () => {
    await put('/boot/grub/grubenv', environmentBlock(`saved_entry=gnulinux-advanced>gnulinux-${machine.older}\n`))
    const { document } = await json(machine.vm, 'linux-kexec list')
    expect(document.problems).toEqual([])
    expect(document.entries).toMatchObject([
      { id: 'gnulinux-simple', isDefault: false, isNewest: true, sources: ['grub', 'boot-dir'], problems: [] },
      { id: `gnulinux-${machine.newer}`, isDefault: false, submenus: ['Advanced options for Debian GNU/Linux'] },
      {
        id: `gnulinux-${machine.older}`,
        isDefault: true,
        isRunning: true,
        commandLine: `${BASE} from=older from_a_variable`,
        problems: [],
      },
    ])
  })

  test('load by title starts what that entry of the menu would', async () => {
    const title = `Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux ${machine.newer}`
    expect(await machine.vm.run(`linux-kexec load '${title}'`)).toMatchObject({ status: 0 })
    const boot = await restart()
    expect(boot).toMatchObject({ release: machine.newer, commandLine: `${BASE} from=advanced from_a_variable` })
  })

  test('load without a name takes the default, and says why; the environment block stays as it was', async () => {
    await put('/boot/grub/grub.cfg', grubConfig(machine.older, machine.newer))
    await put(
      '/boot/grub/grubenv',
      environmentBlock(`saved_entry=gnulinux-simple\nnext_entry=gnulinux-advanced>gnulinux-${machine.older}\n`),
    )
    const before = await machine.vm.run('sha256sum /boot/grub/grubenv')
    const load = await json(machine.vm, 'linux-kexec load')
    expect(load).toMatchObject({ status: 0, document: { plan: { entry: `gnulinux-${machine.older}` } } })
    const [{ reason }] = load.document.plan.decisions
    expect(reason).toMatch(/the boot loader's default \(.*next_entry/)
    expect((await machine.vm.run('sha256sum /boot/grub/grubenv')).stdout).toBe(before.stdout)
    const boot = await restart()
    expect(boot).toMatchObject({ release: machine.older, commandLine: `${BASE} from=older from_a_variable` })
  })
})

test('systemd-boot: an entry by its id', async () => {
  await machine.vm.run('rm -rf /boot/grub')
  await put(
    '/boot/loader/entries/6a98-newer.conf',
    `title Debian\nversion ${machine.newer}\noptions ${BASE}\noptions from=bls\nlinux /vmlinuz-${machine.newer}\ninitrd /initrd.img-${machine.newer}\n`,
  )
  expect(await machine.vm.run('linux-kexec load 6a98-newer.conf')).toMatchObject({ status: 0 })
  expect(await restart()).toMatchObject({ release: machine.newer, commandLine: `${BASE} from=bls` })
})

test('extlinux: the default, several initrds and all', async () => {
  await machine.vm.run('rm -rf /boot/loader')
  await put(
    '/boot/extlinux/extlinux.conf',
    `default l1
label l0
  menu label Debian, newer
  linux /boot/vmlinuz-${machine.newer}
  append ${BASE}
label l1
  menu label Debian, older
  linux ../vmlinuz-${machine.older}
  initrd ../initrd.img-${machine.older}
  append ${BASE} from=extlinux
`,
  )
  expect(await machine.vm.run('linux-kexec load')).toMatchObject({ status: 0 })
  expect(await restart()).toMatchObject({ release: machine.older, commandLine: `${BASE} from=extlinux` })
})
