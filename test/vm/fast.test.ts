import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Boot, type Guest, startVm, type Vm } from '../../src/vm/index.ts'
import { debianGuest, json } from './guests.ts'

/** Where kernels run that were not moved: CONFIG_PHYSICAL_START, in memory and in the kernel's own mapping. */
const LINKED = { virtual: 'ffffffff81000000', physical: '01000000' }

/** Of a cold boot's, how much the new kernel's memory may differ: releases reserve more or less for themselves. */
const TOLERANCE = 0.01

let guest: Guest
let vm: Vm
let cold: Boot

beforeAll(async () => {
  guest = await debianGuest()
  vm = await startVm({ guest, cpus: 2 })
  cold = await vm.booted()
})

afterAll(() => vm?.stop())

/** Loads with --fast, jumps, and tells where the new kernel runs. */
async function kexecFast(target: string, options = '') {
  const load = await json(vm, `linux-kexec load ${target} --fast ${options}`, { deadline: 300_000 })
  expect(load, load.stderr).toMatchObject({ status: 0, document: { plan: { engine: 'segments' } } })
  const measures: string[] = load.document.plan.decisions
    .filter(({ subject }: { subject: string }) => subject === 'fast')
    .map(({ choice }: { choice: string }) => choice)
  await vm.spawn('linux-kexec exec')
  const boot = await vm.booted()
  const { stdout } = await vm.run(
    `sed -n 's/ T _text$//p' /proc/kallsyms; sed -n 's/-.* : Kernel code$//p' /proc/iomem`,
  )
  const [virtual, physical] = stdout.trim().split(/\s+/)
  return { boot, measures, place: { virtual, physical } }
}

test('a kernel that was unpacked beforehand runs at a random address, and sees all memory', async () => {
  const [older, newer] = guest.kernels.map(({ release }) => release) as [string, string]
  const places: { virtual: string | undefined; physical: string | undefined }[] = []
  // What they hold is packed differently, and their relocations are laid out alike.
  for (const target of [newer, older]) {
    const { boot, measures, place } = await kexecFast(target, '--remove nokaslr')
    expect(measures).toContain('the kernel is unpacked in advance')
    expect(measures).toContain('kernel and initrd are placed in memory that is free now')
    expect(boot.release).toBe(target)
    expect(Math.abs(boot.memTotal / cold.memTotal - 1)).toBeLessThan(TOLERANCE)
    places.push(place)
  }
  // By chance one of them may be where it was linked to: one time in some hundreds. Not both.
  expect(places).not.toEqual([
    expect.objectContaining({ virtual: LINKED.virtual }),
    expect.objectContaining({ virtual: LINKED.virtual }),
  ])
  expect(places).not.toEqual([
    expect.objectContaining({ physical: LINKED.physical }),
    expect.objectContaining({ physical: LINKED.physical }),
  ])
})

test('with nokaslr it runs where it was linked to', async () => {
  const older = guest.kernels[0]?.release as string
  const { boot, measures, place } = await kexecFast(older, '--append nokaslr --remove cryptomgr.notests')
  expect(boot.commandLine).not.toContain('notests')
  expect(boot.commandLine).toContain('nokaslr')
  expect(measures).toContain('the kernel is unpacked in advance')
  expect(boot.release).toBe(older)
  expect(place.virtual).toBe(LINKED.virtual)
})

test('the new kernel leaves out the tests of its cryptography', async () => {
  const newer = guest.kernels.at(-1)?.release as string
  const { boot, measures } = await kexecFast(newer)
  expect(measures).toContain('the new kernel does not test its own cryptography')
  expect(boot.commandLine).toMatch(/ cryptomgr\.notests linux_kexec\.added=cryptomgr\.notests$/)
  expect((await vm.run('dmesg | grep "alg: "')).stdout).toContain('self-tests disabled')
})

test('as a library it tells how far it is', async () => {
  const older = guest.kernels[0]?.release as string
  const { status, stdout, stderr } = await vm.run(
    `cat > /root/progress.mjs <<'END'
import { plan, status, unload } from '/usr/lib/node_modules/linux-kexec/dist/index.js'
const made = await plan({ entry: '${older}', fast: true })
const seen = []
await made.load({ onProgress: (progress) => seen.push(progress) })
const kernel = seen.filter(({ step }) => step === 'unpacking the kernel')
const grows = kernel.every(({ done }, index) => index === 0 || done > kernel[index - 1].done)
console.log(JSON.stringify({ grows, last: kernel.at(-1), loaded: status().loaded }))
unload()
END
    node /root/progress.mjs`,
    { deadline: 300_000 },
  )
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const told = JSON.parse(stdout)
  expect(told).toMatchObject({ grows: true, loaded: true })
  // The last bytes are behind what is packed: the build's own.
  expect(told.last.done / told.last.total).toBeGreaterThan(0.9)
})

test('an initrd that unpacks to more than the memory is left compressed, and nobody is killed for it', async () => {
  const small = await startVm({ guest, memory: 512 })
  try {
    await small.booted()
    const made = await small.run(
      `cd /root && truncate -s 400M hole && echo hole | cpio -o -H newc 2> /dev/null | gzip -1 > large.gz`,
      { deadline: 300_000 },
    )
    expect(made).toMatchObject({ status: 0, stderr: '' })
    const target = guest.kernels[0]?.release as string
    const given = `--command-line quiet --initrd /root/large.gz --fast`
    const load = await json(small, `linux-kexec load /boot/vmlinuz-${target} ${given}`, { deadline: 300_000 })
    expect(load, load.stderr).toMatchObject({ status: 0, document: { loaded: true, plan: { engine: 'segments' } } })
    const text = expect.stringMatching(
      /^the initrd is left compressed after all: with it unpacked (loading takes .* of memory are available|kernel and initrd take .*)$/,
    )
    expect(load.document.plan.warnings).toContainEqual({ code: 'left-compressed', text })
    expect((await small.run('dmesg | grep -ci "out of memory"')).stdout.trim()).toBe('0')
  } finally {
    await small.stop()
  }
})
