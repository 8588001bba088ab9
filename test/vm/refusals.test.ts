import { beforeAll, describe, expect, test } from 'vitest'
import { json, machineForFile } from './guests.ts'
import { INTERNALS, internals } from './internals.ts'

const machine = machineForFile({}, { files: [await internals({ 'native.ts': 'native' })] })

/** Loads and expects a refusal before the kernel was asked: exit status 3, this reason, and still nothing loaded. */
async function refused(command: string, reason: string) {
  const { status, document, stderr } = await json(machine.vm, command)
  expect({ status, reason: document.error.reason, refused: document.error.refused }).toEqual({
    status: 3,
    reason,
    refused: true,
  })
  expect(document.error.hint, 'every refusal says what to do').toBeTruthy()
  expect(stderr).toContain(document.error.summary)
  expect((await machine.vm.run('cat /sys/kernel/kexec_loaded')).stdout).toBe('0\n')
  return document.error
}

const kernel = () => `/boot/vmlinuz-${machine.newer}`

beforeAll(async () => {
  const setUp = await machine.vm.run(`
    cd /root && k=${kernel()}
    echo 'just text' > text; gzip -c text > text.gz; : > empty; mkdir directory; mkfifo fifo
    head -c 5000000 $k > truncated; head -c 600 $k > stub
    cp $k kernel; chmod 755 /root
    cp /boot/initrd.img-${machine.newer} secret; chmod 600 secret`)
  expect(setUp).toMatchObject({ status: 0 })
})

describe('files', () => {
  test('what is not a kernel is named for what it is', async () => {
    expect((await refused('linux-kexec load /root/text --reuse-cmdline', 'not-a-kernel')).message).toContain(
      'a text file',
    )
    expect((await refused('linux-kexec load /root/text.gz --reuse-cmdline', 'not-a-kernel')).message).toContain(
      'gzip-compressed data',
    )
    expect((await refused('linux-kexec load /usr/bin/busybox --reuse-cmdline', 'not-a-kernel')).message).toContain(
      'ELF x86-64 executable',
    )
    expect((await refused('linux-kexec load /root/empty --reuse-cmdline', 'not-a-kernel')).message).toContain(
      'an empty file',
    )
    expect((await refused('linux-kexec load /root/directory --reuse-cmdline', 'not-a-kernel')).message).toContain(
      'a directory',
    )
    expect((await refused('linux-kexec load /root/fifo --reuse-cmdline', 'not-a-kernel')).message).toContain('a FIFO')
  })

  test('a truncated kernel', async () => {
    await refused('linux-kexec load /root/truncated --reuse-cmdline', 'truncated-kernel')
    await refused('linux-kexec load /root/stub --reuse-cmdline', 'truncated-kernel')
  })

  test('a missing kernel, a missing initrd, a directory as initrd', async () => {
    await refused('linux-kexec load /root/nothing --reuse-cmdline', 'not-found')
    await refused(`linux-kexec load ${kernel()} --initrd /root/nothing --reuse-cmdline`, 'not-found')
    await refused(`linux-kexec load ${kernel()} --initrd /root/directory --reuse-cmdline`, 'not-an-initrd')
  })

  test('an initrd that this user may not read', async () => {
    const { status, stdout } = await machine.vm.run(
      `su tester -c 'linux-kexec plan /root/kernel --initrd /root/secret --reuse-cmdline --json'`,
    )
    expect(status).toBe(3)
    expect(JSON.parse(stdout).refusals[0]).toMatchObject({
      reason: 'not-readable',
      path: '/root/secret',
      code: 'EACCES',
    })
  })
})

describe('requests', () => {
  test('an installed kernel named by its path, without its initrd', () =>
    refused(`linux-kexec load ${kernel()} --reuse-cmdline`, 'no-initrd'))

  test('a kernel file without a command line', () =>
    refused(`linux-kexec load ${kernel()} --no-initrd`, 'no-command-line'))

  test('an entry that is not there, with the nearest one suggested', async () => {
    const error = await refused('linux-kexec load newset', 'no-such-entry')
    expect(error.hint).toContain("'newest'")
  })

  test('`default`, as long as no boot loader is read', () => refused('linux-kexec load default', 'no-such-entry'))

  test('a device tree, which x86 has none of', () =>
    refused('linux-kexec load newest --dtb /root/text', 'invalid-argument'))

  test('nothing loaded: exec and reboot say so and do nothing', async () => {
    for (const command of ['exec', 'reboot', 'reboot --via direct', 'reboot --dry-run']) {
      const { status, stderr } = await machine.vm.run(`linux-kexec ${command}`)
      expect({ command, status }).toEqual({ command, status: 4 })
      expect(stderr).toContain('no kernel is loaded')
    }
  })
})

describe('a crash kernel for which nothing is reserved', () => {
  test('is refused with what to do, and there is nothing to give back', async () => {
    const error = await refused('linux-kexec load newest --panic', 'no-crash-memory')
    expect(error.hint).toMatch(/^Add crashkernel=\d+M to the kernel command line in the boot loader's configuration/)
    await refused('linux-kexec load newest --panic --engine segments', 'no-crash-memory')
    await refused('linux-kexec crash-size 64M', 'no-crash-memory')
  })

  test('and the kernel agrees', async () => {
    const { stdout } = await machine.vm.run(`cat > /root/ask.mjs <<'END'
import { openSync } from 'node:fs'
import { native } from '${INTERNALS}'
const ON_CRASH_WITHOUT_INITRD = 2 | 4
console.log(native().kexecFileLoadSync(openSync('${kernel()}'), -1, 'ro', ON_CRASH_WITHOUT_INITRD))
END
node /root/ask.mjs`)
    const EADDRNOTAVAIL = '99\n'
    expect(stdout).toBe(EADDRNOTAVAIL)
  })
})

describe('privilege', () => {
  test('as non-root', async () => {
    const load = await machine.vm.run(`su tester -c 'linux-kexec load /root/kernel --reuse-cmdline --json'`)
    expect(load.status).toBe(3)
    expect(JSON.parse(load.stdout).error).toMatchObject({ reason: 'no-capability', code: 'EPERM' })
    for (const command of ['exec', 'reboot', 'unload']) {
      expect(await machine.vm.run(`su tester -c 'linux-kexec ${command}'`), command).toMatchObject({ status: 3 })
    }
  })

  test('list, inspect, plan and status need none', async () => {
    for (const command of ['list', `inspect ${kernel()}`, 'plan newest']) {
      expect(await machine.vm.run(`su tester -c 'linux-kexec ${command}'`), command).toMatchObject({ status: 0 })
    }
    expect(await machine.vm.run(`su tester -c 'linux-kexec status'`)).toMatchObject({ status: 4 })
  })

  test('as root without CAP_SYS_BOOT', () =>
    refused('/usr/bin/setpriv --bounding-set -sys_boot --inh-caps -sys_boot linux-kexec load newest', 'no-capability'))

  test('as root of another user namespace', () =>
    refused('/usr/bin/unshare --user --map-root-user linux-kexec load newest', 'not-init-user-namespace'))

  test('in a child pid namespace nothing is rebooted', async () => {
    expect(await machine.vm.run('linux-kexec load newest')).toMatchObject({ status: 0 })
    for (const command of ['exec', 'reboot --via direct']) {
      const { status, stderr } = await machine.vm.run(`unshare --pid --fork --mount-proc linux-kexec ${command}`)
      expect(status).toBe(3)
      expect(stderr).toContain('child pid namespace')
    }
    expect(await machine.vm.run('linux-kexec unload')).toMatchObject({ status: 0 })
  })
})

describe('the init system', () => {
  test('one that is not known is named, and nothing is done', async () => {
    await machine.vm.run('linux-kexec load newest')
    const { status, stderr } = await machine.vm.run('linux-kexec reboot')
    expect(status).toBe(3)
    expect(stderr).toMatch(/--via direct/)
    const { status: wrong, stderr: why } = await machine.vm.run('linux-kexec reboot --via systemd')
    expect(wrong).toBe(3)
    expect(why).toMatch(/the init system is [^\n]*, not systemd/)
    await machine.vm.run('linux-kexec unload')
  })
})

// Last: there is no way back within this boot.
describe('switches', () => {
  test('kernel.kexec_load_disabled = 1', async () => {
    await machine.vm.run('echo 1 > /proc/sys/kernel/kexec_load_disabled')
    const error = await refused('linux-kexec load newest', 'kexec-disabled')
    expect(error.evidence).toContainEqual({ source: '/proc/sys/kernel/kexec_load_disabled', value: '1' })
    expect(await machine.vm.run('linux-kexec plan newest')).toMatchObject({ status: 3 })
  })
})
