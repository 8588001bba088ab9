import { describe, expect, test } from 'vitest'
import { makeTree } from '../entries/tree.ts'
import { debian, makeMachine, newer, older } from '../plan/debian.ts'
import { cli, json, shown } from './cli.ts'

const texts = (remarks: readonly { text: string }[]) => remarks.map(({ text }) => text).join()

test('a table with the running and the newest kernel marked', async () => {
  const root = makeMachine({ ...debian, '/boot/vmlinuz-5.10.0-33-amd64': 'empty' })
  const { status, stdout, stderr } = await cli(['list', '--root', root])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const lines = stdout.trimEnd().split('\n')
  expect(lines[0]).toMatch(/^# +VERSION/)
  expect(lines.find((line) => line.startsWith('1 '))).toMatch(/6\.12\.107\+deb12-cloud-amd64 +newest/)
  expect(lines.find((line) => line.startsWith('2 '))).toMatch(/6\.1\.0-50-cloud-amd64 +running/)
  for (const path of [newer, older].map((release) => `/boot/vmlinuz-${release}`)) expect(stdout).toContain(path)
})

test("usual Debian names fit on one line each, and an entry's problems are below it", async () => {
  const root = makeMachine({
    '/boot/vmlinuz-6.12.107+deb12-amd64': { kernel: '6.12.107+deb12-amd64' },
    '/boot/initrd.img-6.12.107+deb12-amd64': 'initrd',
    '/boot/vmlinuz-6.1.0-56-amd64': { kernel: '6.1.0-56-amd64' },
    '/proc/sys/kernel/osrelease': { text: '6.1.0-56-amd64\n' },
  })
  expect(await shown(`list --root ${root}`)).toBe(`#  VERSION                        ENTRY
1  6.12.107+deb12-amd64  newest   /boot/vmlinuz-6.12.107+deb12-amd64
2  6.1.0-56-amd64        running  /boot/vmlinuz-6.1.0-56-amd64
    problem: No initrd was found for /boot/vmlinuz-6.1.0-56-amd64; looked for
      initrd.img-6.1.0-56-amd64, initramfs-6.1.0-56-amd64.img,
      initrd-6.1.0-56-amd64 and the like in /boot.
`)
})

test('--json: the fields that scripts rely on, paths as seen inside the root', async () => {
  const root = makeMachine()
  const { status, stderr, document } = await json(['list', '--root', root])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(document).toEqual({
    schemaVersion: 2,
    entries: [
      {
        id: `vmlinuz-${newer}`,
        title: `Debian GNU/Linux 12 (bookworm), Linux ${newer}`,
        submenus: [],
        version: newer,
        source: 'boot-dir',
        sources: ['boot-dir'],
        config: '/boot',
        kernel: `/boot/vmlinuz-${newer}`,
        initrds: [`/boot/initrd.img-${newer}`],
        commandLine: null,
        deviceTree: null,
        cmdline: null,
        devicetree: null,
        profile: null,
        architecture: 'x86_64',
        isDefault: false,
        isRunning: false,
        isNewest: true,
        passedOver: null,
        problems: [],
      },
      expect.objectContaining({ id: `vmlinuz-${older}`, isRunning: true, isNewest: false }),
    ],
    loaders: [
      {
        source: 'boot-dir',
        config: '/boot',
        inCharge: false,
        default: null,
        reason: null,
        undecided: null,
        waits: null,
        problems: [],
      },
    ],
    problems: [],
  })
})

describe("a boot loader's menu", () => {
  const grub = {
    ...debian,
    '/boot/grub/grub.cfg': {
      text: `set default="1>0"
menuentry 'Debian GNU/Linux' --id simple { linux /boot/vmlinuz-${newer} root=/dev/vda1 ro quiet; initrd /boot/initrd.img-${newer} }
submenu 'Advanced options for Debian GNU/Linux' {
  menuentry 'Debian GNU/Linux, with Linux ${older}' --id older { linux /boot/vmlinuz-${older} root=/dev/vda1 ro quiet; initrd /boot/initrd.img-${older} }
  menuentry 'UEFI Firmware Settings' --id firmware { fwsetup }
}
if true; fi
`,
    },
    '/boot/extlinux/extlinux.conf': {
      text: `default l0\nlabel l0\nlinux /boot/vmlinuz-${newer}\ninitrd /boot/initrd.img-${newer}\nappend root=/dev/vda1 ro quiet\n`,
    },
  }

  test('as a table within 80 columns: its titles, the marks, and what is wrong below', async () => {
    const stdout = await shown(`list --root ${makeMachine(grub)}`)
    expect(stdout).toBe(`#  VERSION
1  6.12.107+deb12-cloud-amd64  newest
    Debian GNU/Linux
2  6.1.0-50-cloud-amd64        default running
    Advanced options for Debian GNU/Linux > Debian GNU/Linux, with Linux
    6.1.0-50-cloud-amd64
3  -
    Advanced options for Debian GNU/Linux > UEFI Firmware Settings
    problem: It opens the firmware's setup.
problem: /boot/grub/grub.cfg:7: 'fi' is out of place; GRUB ignores this.
problem: The boot loaders disagree about the default: /boot/grub/grub.cfg
  (grub) names 'Debian GNU/Linux, with Linux 6.1.0-50-cloud-amd64',
  /boot/extlinux/extlinux.conf (extlinux) names 'Debian GNU/Linux'. The first is
  taken to be in charge, as nothing shows which of them started this system.
`)
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })

  test('in a pipe, each entry and each problem is one line', async () => {
    const { status, stdout, stderr } = await cli(['list', '--root', makeMachine(grub)])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout.split('\n')).toEqual([
      '#  VERSION                                      ENTRY',
      '1  6.12.107+deb12-cloud-amd64  newest           Debian GNU/Linux',
      expect.stringMatching(
        /^2 .* Advanced options for Debian GNU\/Linux > Debian GNU\/Linux, with Linux 6\.1\.0-50-cloud-amd64$/,
      ),
      '3  -                                            Advanced options for Debian GNU/Linux > UEFI Firmware Settings',
      "    problem: It opens the firmware's setup.",
      "problem: /boot/grub/grub.cfg:7: 'fi' is out of place; GRUB ignores this.",
      expect.stringMatching(/^problem: The boot loaders disagree .* started this system\.$/),
      '',
    ])
  })

  test('--long: everything known of each entry', async () => {
    const stdout = await shown(`list --long --root ${makeMachine(grub)}`)
    expect(stdout).toContain(`2  Advanced options for Debian GNU/Linux > Debian GNU/Linux, with Linux
    6.1.0-50-cloud-amd64  [default, running]
    id       older
    version  6.1.0-50-cloud-amd64, x86_64
    kernel   /boot/vmlinuz-6.1.0-50-cloud-amd64
    initrd   /boot/initrd.img-6.1.0-50-cloud-amd64
    cmdline  root=/dev/vda1 ro quiet
    config   /boot/grub/grub.cfg (grub, boot-dir)
`)
    expect(stdout).toContain(
      'Menu of /boot/grub/grub.cfg (grub). Reason for the default: default in\n/boot/grub/grub.cfg names it.\n',
    )
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })

  test('plan takes its default, says why, and passes its command line', async () => {
    const { status, document } = await json(['plan', '--root', makeMachine(grub)])
    expect(status).toBe(0)
    expect(document).toMatchObject({ entry: 'older', commandLine: 'root=/dev/vda1 ro quiet' })
    expect(document.decisions[0].reason).toContain(
      "the boot loader's default (default in /boot/grub/grub.cfg names it)",
    )
    expect(texts(document.warnings)).toContain('The boot loaders disagree about the default')
  })

  test.each([
    ['simple', 'simple'],
    ['Debian GNU/Linux', 'simple'],
    [`Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux ${older}`, 'older'],
    ['running', 'older'],
    ['newest', 'simple'],
    ['#2', 'older'],
  ])('plan %s', async (selector, id) => {
    const { document } = await json(['plan', selector, '--root', makeMachine(grub)])
    expect(document.entry).toBe(id)
  })

  test('an entry that starts no Linux kernel is refused, with what it does', async () => {
    const { status, document } = await json(['plan', 'firmware', '--root', makeMachine(grub)])
    expect(status).toBe(3)
    expect(document.error).toMatchObject({ reason: 'not-a-kernel', path: '/boot/grub/grub.cfg' })
    expect(document.error.hint).toContain("It opens the firmware's setup.")
  })
})

test('--build-tree: the kernels of a build, and nothing else', async () => {
  const root = makeMachine({ ...debian, '/src/linux/arch/x86/boot/bzImage': { kernel: '7.2.0-rc3+' } })
  const { document } = await json(['list', '--build-tree', '/src/linux', '--root', root])
  expect(document.entries).toMatchObject([
    {
      id: 'arch/x86/boot/bzImage',
      version: '7.2.0-rc3+',
      source: 'build-tree',
      kernel: '/src/linux/arch/x86/boot/bzImage',
      commandLine: null,
    },
  ])
  expect(document.entries).toHaveLength(1)
  const missing = await json(['list', '--build-tree', '/src/nothing', '--root', root])
  expect(missing).toMatchObject({ status: 3, document: { error: { reason: 'not-found', path: '/src/nothing' } } })
})

test('nothing found is no failure', async () => {
  const root = makeTree({ '/boot': 'directory' })
  expect(await cli(['list', '--root', root])).toEqual({
    status: 0,
    stdout: `No kernel was found in ${root}.\n`,
    stderr: '',
  })
  expect((await json(['list', '--root', root])).document.entries).toEqual([])
})

test('a root that is no directory is refused: an empty list would mislead', async () => {
  const { status, document } = await json(['list', '--root', '/nowhere/at/all'])
  expect(status).toBe(3)
  expect(document.error).toMatchObject({ reason: 'not-found', path: '/nowhere/at/all', refused: true })
})

test('a relative root', async () => {
  const root = makeMachine()
  const { document } = await json(['list', '--root', '.'], { cwd: root })
  expect(document.entries).toHaveLength(2)
})
