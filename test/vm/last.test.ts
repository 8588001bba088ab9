import { beforeAll, expect, test } from 'vitest'
import { blankDisk, findDisk } from './disk.ts'
import { BOOT, json, machineForFile } from './guests.ts'
import { INTERNALS, internals } from './internals.ts'

// The records lie on a disk, which outlives both a kexec and a reset.
const machine = machineForFile(
  { disks: [blankDisk()], firmwareReboot: 'allowed' },
  { packages: ['e2fsprogs'], files: [await internals({ 'trial/last/stamp.ts': 'takeStamp' })] },
)

interface Line {
  readonly text: string
  /** Milliseconds on the clock of the harness. */
  readonly at: number
}

/** Every line of the console, and when it came. */
const lines: Line[] = []

beforeAll(() => {
  let rest = ''
  machine.vm.onConsole((text) => {
    const at = performance.now()
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) lines.push({ text: part, at })
  })
})

async function settle(): Promise<void> {
  const result = await machine.vm.run(`${findDisk}
    blkid $d >/dev/null 2>&1 || mkfs.ext4 -q $d
    mkdir -p /var/lib/linux-kexec && mount $d /var/lib/linux-kexec && chmod 700 /var/lib/linux-kexec`)
  expect(result).toMatchObject({ status: 0 })
}

const last = () => json(machine.vm, 'linux-kexec last')

/** The record of the kexec with this number. */
async function recorded(number: number) {
  const { stdout } = await machine.vm.run('cat /var/lib/linux-kexec/kexecs.json')
  return JSON.parse(stdout).kexecs.find((kexec: { number: number }) => kexec.number === number)
}

/**
 * When the clock of the running kernel was 0, on the clock of the harness. A line never comes before it is written, and the
 * quickest of many comes at once, even on a busy machine.
 */
async function clockBegan(): Promise<number> {
  const from = lines.length
  const program = `import { takeStamp } from '${INTERNALS}'; import { openSync, writeSync } from 'node:fs'
    const fd = openSync('/dev/console', 'w')
    for (let count = 0; count < 20; count++) {
      writeSync(fd, 'clock ' + takeStamp().raw + '\\n')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }`
  expect(await machine.vm.run(`node --input-type=module -e "${program}"`)).toMatchObject({ status: 0 })
  return Math.min(...timed(/^clock (\d+\.\d+)$/, lines.slice(from), 1))
}

/** For each line with a time in it: when that time was 0. */
function timed(pattern: RegExp, among: readonly Line[], unit: number): number[] {
  return among.flatMap(({ text, at }) => {
    const time = pattern.exec(text)?.[1]
    return time === undefined ? [] : [at - Number(time) * unit]
  })
}

/** When the latest kernel started its init, on the clock of the harness, from the times in the kernel's own lines. */
function initBegan(): number {
  const run = lines.findLastIndex(({ text }) => /Run .* as init process/.test(text))
  // Until it has chosen a good clock, a kernel loses time: only the lines from here on count.
  const since = timed(/^\[ *(\d+\.\d+)\] /, lines.slice(run), 1000)
  expect(since.length).toBeGreaterThan(3)
  return Math.min(...since) + Number(/^\[ *(\d+\.\d+)\]/.exec(lines[run]?.text ?? '')?.[1]) * 1000
}

/** Lines of the kernel's on the console, each with its time. */
const MARKS = 'for i in 1 2 3 4 5 6 7 8; do echo "<4>mark $i" >/dev/kmsg; sleep 0.1; done'

test('a machine that its firmware has started: no kexec, and no guess', async () => {
  await settle()
  const { status, document } = await last()
  expect(status).toBe(4)
  expect(document).toMatchObject({ startedBy: 'firmware', kexec: null, kexecs: 0, history: [], problem: null })
})

test('a kexec: from where, by whom, and how long, as the harness sees it from outside', async () => {
  const { vm } = machine
  const load = await json(vm, 'linux-kexec load newest --append loglevel=7', { deadline: 200_000 })
  expect(load, load.stderr).toMatchObject({ status: 0 })
  const oldClock = await clockBegan()
  await vm.spawn('linux-kexec reboot --via direct')
  await vm.booted(BOOT)
  await settle()
  const { status, document } = await last()
  expect(status).toBe(0)
  expect(document).toMatchObject({
    startedBy: 'kexec',
    kexecs: 1,
    differences: [],
    history: [],
    kexec: {
      from: { release: machine.older },
      to: { release: machine.newer, commandLine: load.document.plan.commandLine },
      by: { uid: 0, program: expect.stringContaining('linux-kexec') },
      number: 1,
    },
  })
  await vm.run(MARKS)
  const { stopping, down, total } = document.kexec.durations
  const record = await recorded(1)
  const outside = initBegan() - (oldClock + record.left.raw)
  console.error(`  down ${down.milliseconds} ms ± ${down.uncertainty}; from outside ${Math.round(outside)} ms`)
  expect(Math.abs(outside - down.milliseconds)).toBeLessThan(50)
  expect(down.uncertainty).toBeLessThan(50)
  expect(Math.abs(stopping.milliseconds + down.milliseconds - total.milliseconds)).toBeLessThan(1)
  // Asked again, it is the same.
  expect((await last()).document.kexec).toEqual(document.kexec)
})

test('a second kexec, on trial: how long until it was confirmed', async () => {
  const { vm } = machine
  const load = await json(vm, 'linux-kexec load newest --trial=best-effort --deadline 900', { deadline: 200_000 })
  expect(load, load.stderr).toMatchObject({ status: 0 })
  await vm.spawn('linux-kexec reboot --via direct')
  await vm.booted(BOOT)
  await settle()
  await vm.run(MARKS)
  expect(await vm.run('linux-kexec trial confirm')).toMatchObject({ status: 0 })
  const newClock = await clockBegan()
  const { status, document } = await last()
  expect(status).toBe(0)
  const { kexec } = document
  expect(document).toMatchObject({ kexecs: 2, history: [{ number: 1 }] })
  expect(kexec).toMatchObject({ number: 2, trial: load.document.plan.trial.id, from: { release: machine.newer } })
  const record = await recorded(2)
  const outside = newClock + record.confirmed.raw - initBegan()
  const { milliseconds } = kexec.durations.untilConfirmed
  console.error(`  confirmed after ${milliseconds} ms; from outside ${Math.round(outside)} ms`)
  expect(Math.abs(outside - milliseconds)).toBeLessThan(50)
})

test('a kernel that was loaded, and a reset: nothing is claimed, and the history is there', async () => {
  const { vm } = machine
  expect(await vm.run('linux-kexec load newest', { deadline: 200_000 })).toMatchObject({ status: 0 })
  await vm.spawn('reboot -f')
  await vm.booted(BOOT)
  await settle()
  const { status, document } = await last()
  expect(status).toBe(4)
  expect(document).toMatchObject({ startedBy: 'firmware', kexec: null, kexecs: 0 })
  expect(document.history.map(({ number }: { number: number }) => number)).toEqual([2, 1])
})
