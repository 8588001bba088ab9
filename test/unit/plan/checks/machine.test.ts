import { describe, expect, test } from 'vitest'
import { checkHeldCrashKernel, checkProcess, checkSyscall } from '../../../../src/plan/checks/machine.ts'
import type { Context } from '../../../../src/plan/context/context.ts'
import { readRunningMachine } from '../../../../src/plan/context/running-machine.ts'
import { sortFindings } from '../../../../src/plan/findings.ts'
import type { PlanOptions } from '../../../../src/plan/model/options.ts'
import type { Remark } from '../../../../src/plan/model/remark.ts'
import { detectPolicy } from '../../../../src/policy/detect.ts'
import { System } from '../../../../src/system/system.ts'
import { makeTree, type Tree } from '../../entries/tree.ts'
import { bookworm, builtMachines, machine } from '../../policy/machines.ts'

/** The part of a plan's context that is about the machine. Live: as if its files were those of the running one. */
function contextOf(tree: Tree, { live = true, ...options }: PlanOptions & { live?: boolean } = {}): Context {
  const files = new System(makeTree(tree))
  const system = new Proxy(files, {
    get(_, name) {
      const value = name === 'isLive' ? live : Reflect.get(files, name)
      return typeof value === 'function' ? value.bind(files) : value
    },
  })
  const [running, policy] = [readRunningMachine(files), detectPolicy({ system: files })]
  return { system, options, running, policy } as unknown as Context
}

const warned = (remarks: readonly Remark[]) =>
  sortFindings([], remarks).warnings.map(({ code, text }) => `${code}: ${text}`)

const machineWith = (name: string) => builtMachines[name] as Tree

describe('this process', () => {
  test('with all privileges is nothing to speak of', () => {
    expect(checkProcess(contextOf(machineWith('plain')))).toEqual([])
  })

  test('without CAP_SYS_BOOT can plan, but not load', () => {
    const [warning, ...others] = warned(checkProcess(contextOf(machineWith('seen by a user'))))
    expect(others).toEqual([])
    expect(warning).toMatch(
      /^no-capability: .*CAP_SYS_BOOT.*: planning needs no privilege, but loading does \(run as root\)$/,
    )
  })

  test('in another user namespace cannot load, even with the capability', () => {
    expect(warned(checkProcess(contextOf(machineWith('in a user namespace'))))).toEqual([
      'not-init-user-namespace: loading is only allowed in the initial user namespace, and this process is in another',
    ])
  })

  test('in another pid namespace can load, and not reboot', () => {
    const child: Tree = { '/proc/self/ns/pid': { link: 'pid:[4026532300]' } }
    const confined =
      'child-pid-namespace: this process is in a child pid namespace: it can load, but `reboot` and `exec` only work outside of it'
    expect(warned(checkProcess(contextOf(machine(bookworm, child))))).toEqual([confined])
    for (const name of ['seen by a user', 'in a user namespace']) {
      const both = warned(checkProcess(contextOf({ ...machineWith(name), ...child })))
      expect(both, name).toEqual([expect.stringMatching(/^no/), confined])
    }
  })

  test('does not matter where another machine is planned for', () => {
    expect(checkProcess(contextOf(machineWith('seen by a user'), { live: false }))).toEqual([])
  })
})

describe('a crash kernel that is loaded', () => {
  const loaded: Tree = { '/sys/kernel/kexec_crash_loaded': { text: '1\n' } }
  const lost =
    'crash-kernel-replaced: a crash kernel is loaded, and the kernel frees it first: if this load fails, no crash kernel is loaded any more'

  test('is lost by the load of another one alone', () => {
    expect(warned(checkHeldCrashKernel(contextOf(machine(bookworm, loaded), { panic: true })))).toEqual([lost])
    expect(checkHeldCrashKernel(contextOf(machine(bookworm, loaded)))).toEqual([])
    expect(checkHeldCrashKernel(contextOf(machine(bookworm), { panic: true }))).toEqual([])
    expect(checkHeldCrashKernel(contextOf(machine(bookworm, loaded), { panic: true, live: false }))).toEqual([])
  })
})

describe('firmware of 32 bits under a kernel of 64', () => {
  const on = (width: string, commandLine = 'ro', architecture = 'x86_64') =>
    warned(
      checkSyscall(
        contextOf(
          machine(bookworm, {
            '/proc/sys/kernel/arch': { text: `${architecture}\n` },
            '/sys/firmware/efi/fw_platform_size': { text: `${width}\n` },
            '/proc/cmdline': { text: `${commandLine}\n` },
          }),
        ),
      ),
    )
  const warning =
    'efi-32-bit: the firmware is 32-bit EFI, where kexec_file_load loads nothing (ENOEXEC) unless this kernel was booted with efi=noruntime'

  test('is warned of, unless its services are switched off', () => {
    expect(on('32')).toEqual([warning])
    expect(on('32', 'ro efi=debug')).toEqual([warning])
    for (const commandLine of ['noefi', 'efi=noruntime', 'efi=debug,noruntime', 'efi=debug efi=noruntime'])
      expect(on('32', commandLine), commandLine).toEqual([])
    expect(on('64')).toEqual([])
    expect(on('32', 'ro', 'aarch64')).toEqual([])
  })
})

test('a machine without kexec_file_load: told with where kexec_load would do', () => {
  const context = contextOf(machine(bookworm, { '/proc/sys/kernel/arch': { text: 'armv7l\n' } }))
  const { refusals } = sortFindings([], checkSyscall(context))
  expect(refusals).toMatchObject([
    {
      summary: 'the running kernel is for armv7l, which has no kexec_file_load',
      reason: 'no-kexec-support',
      code: 'ENOSYS',
      hint: expect.stringMatching(
        /^Boot a 64-bit kernel, where the machine can run one; this version uses kexec_load on .*x86_64/,
      ),
      refused: true,
    },
  ])
  expect(refusals[0]?.evidence).toContainEqual({ source: '/proc/sys/kernel/arch', value: 'armv7l' })
})
