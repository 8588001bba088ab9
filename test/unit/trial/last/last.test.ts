import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { System } from '../../../../src/system/system.ts'
import { KexecRecords } from '../../../../src/trial/last/kexec-records.ts'
import { lastKexec } from '../../../../src/trial/last/last.ts'
import { noteAbandoned, noteConfirmed, noteLeft, noteUnload } from '../../../../src/trial/last/note.ts'
import type { KexecRecord } from '../../../../src/trial/last/record.ts'
import { change, ID, machine, newer, older } from '../machine.ts'
import { BOOTS, boot, FILE, firstLook, kexecRecord, LINE, load, stampAt, stored, TICKS, write } from './machine.ts'

/** The old kernel ends at counter 63,000,000; the new kernel's clock begins at 70,000,000, its init at 72,000,000. */
const look = firstLook(5000, 70_000 * TICKS)

/** A machine whose older kernel has begun a reboot into the newer one; then its files are changed. */
function after(tree: ReturnType<typeof boot>, changes: Partial<KexecRecord> = {}): System {
  const system = machine(boot(0, 'grub'))
  write(system, [kexecRecord(changes)])
  change(system, tree)
  return system
}

const reasonOf = (system: System, seen = look) => {
  const { kexec, reason } = lastKexec(system, { look: seen })
  return { isKnown: kexec !== null, reason }
}

test('a kexec: where from, by whom, and how long each part took', () => {
  const system = after(boot(1, 'kexec'))
  const last = lastKexec(system, { look, keeps: true })
  expect(last).toMatchObject({ startedBy: 'kexec', reason: null, kexecs: 1, differences: [], history: [], kho: null })
  expect(last.kexec).toMatchObject({
    from: { release: older },
    to: { release: newer },
    by: { uid: 0, sudoUser: 'ana' },
    isArrived: true,
    durations: {
      stopping: { milliseconds: 3000, uncertainty: 0 },
      down: { milliseconds: 9000, reason: null },
      total: { milliseconds: 12_000, reason: null },
      untilConfirmed: { milliseconds: null, reason: 'it was not on trial' },
    },
  })
  // 3 s after its init, measured to one part in ten thousand, and half a millisecond of the log.
  expect(last.kexec?.durations.down.uncertainty).toBeCloseTo(0.82, 2)
  // From now on it is known by its boot id, however long the kernel runs, whatever the counter does.
  change(system, { '/proc/cmdline': { text: `${LINE} changed\n` } })
  const later = lastKexec(system, { look: firstLook(1, 0) })
  expect(later.kexec).toEqual(last.kexec)
  expect(later.differences).toEqual([{ source: '/proc/cmdline', expected: null, found: 'changed' }])
})

test('what is not the kernel that was loaded is not taken for it', () => {
  expect(reasonOf(after(boot(1, 'grub')))).toEqual({
    isKnown: false,
    reason: 'the firmware, or its boot loader, started this kernel',
  })
  expect(reasonOf(after(boot(1, 'kexec', older)))).toMatchObject({
    isKnown: false,
    reason: expect.stringMatching(/its release, or its build, is another/),
  })
  expect(reasonOf(after(boot(1, 'kexec', newer, 'ro quiet')))).toMatchObject({
    reason: expect.stringMatching(/its command line is another/),
  })
  const built = (version: string) =>
    reasonOf(
      after(
        { ...boot(1, 'kexec'), '/proc/sys/kernel/version': { text: '#1 SMP 2026-11-30\n' } },
        { to: { ...kexecRecord().to, version } },
      ),
    )
  expect([built('#1 SMP 2026-11-30').isKnown, built('#2 SMP 2026-11-30').isKnown]).toEqual([true, false])
  // A parameter that the kernel's configuration adds is a difference, and no other kernel.
  expect(reasonOf(after(boot(1, 'kexec', newer, `${LINE} built.in=1`))).isKnown).toBe(true)
  expect(reasonOf(after({ ...boot(1, 'kexec'), '/proc/vmcore': { text: '' } }))).toMatchObject({
    reason: expect.stringMatching(/crash kernel/),
  })
  expect(reasonOf(machine(boot(1, 'kexec')))).toMatchObject({ reason: 'there is no record of a load before this boot' })
  // The kernel that loaded it still runs.
  expect(reasonOf(after(boot(0, 'kexec', newer)))).toMatchObject({ isKnown: false })
  const { '/proc/sys/kernel/bootloader_type': _, ...elsewhere } = boot(1, 'kexec')
  const unseen = machine(elsewhere)
  write(unseen, [kexecRecord()])
  expect(reasonOf(unseen)).toMatchObject({ reason: 'whether a kexec started this kernel is unknown' })
  expect(lastKexec(unseen).startedBy).toBe('unknown')
})

test('a kexec by another program, from a kernel that was seen, is not ours', () => {
  const system = after(boot(1, 'kexec'))
  lastKexec(system, { look, keeps: true })
  change(system, boot(2, 'kexec'))
  expect(lastKexec(system, { look })).toMatchObject({
    startedBy: 'kexec',
    kexec: null,
    kexecs: null,
    reason: 'the kernel that was loaded last ran before this one; another program loaded this one',
    history: [{ number: 1, isArrived: true }],
  })
  // Where nobody sees what started a kernel, the firmware may have.
  const { '/proc/sys/kernel/bootloader_type': _, ...unmarked } = boot(2, 'kexec')
  const elsewhere = machine(unmarked)
  for (const trial of [null, ID]) {
    write(elsewhere, [{ ...(stored(system)[0] as KexecRecord), trial }])
    expect(reasonOf(elsewhere)).toEqual({ isKnown: false, reason: 'whether a kexec started this kernel is unknown' })
  }
})

test('a counter that began anew is a reset, although the firmware starts kernels by kexec', () => {
  expect(reasonOf(after(boot(1, 'kexec')), firstLook(30_000, 0))).toMatchObject({
    isKnown: false,
    reason: expect.stringContaining('the counter of the processor began anew: the machine was reset, or suspended'),
  })
})

test('a trial is known by its id alone', () => {
  const { '/proc/sys/kernel/bootloader_type': _, ...elsewhere } = boot(1, 'kexec', newer, `ro linux_kexec.trial=${ID}`)
  const system = machine(elsewhere)
  write(system, [kexecRecord({ trial: ID })])
  const { kexec, differences } = lastKexec(system, { look, keeps: true })
  expect(kexec).toMatchObject({ trial: ID, durations: { untilConfirmed: { reason: 'its trial was not confirmed' } } })
  expect(differences).toContainEqual({ source: '/proc/cmdline', expected: 'root=/dev/vda1', found: null })
  noteConfirmed(system, { look })
  expect(stored(system)[0]?.confirmed).not.toBeNull()
  write(system, [{ ...(stored(system)[0] as KexecRecord), confirmed: stampAt(9000, 70_000 * TICKS) }])
  expect(lastKexec(system).kexec?.durations.untilConfirmed).toMatchObject({ milliseconds: 7000, reason: null })
  // Another trial runs, or none.
  const other = 'f'.repeat(16)
  expect(reasonOf(after(boot(1, 'kexec', newer, `linux_kexec.trial=${other}`), { trial: ID })).isKnown).toBe(false)
  expect(reasonOf(after(boot(1, 'kexec'), { trial: ID })).isKnown).toBe(false)
})

test('a span that nobody measured is unknown, with the reason, and never a guess', () => {
  const durations = (changes: Partial<KexecRecord>, seen = look) =>
    Object.fromEntries(
      Object.entries(lastKexec(after(boot(1, 'kexec'), changes), { look: seen }).kexec?.durations ?? {}).map(
        ([name, { milliseconds, reason }]) => [name, milliseconds ?? reason],
      ),
    )
  expect(durations({ left: null })).toMatchObject({
    stopping: expect.stringContaining('nothing could be written down'),
    down: expect.stringContaining('nothing could be written down'),
    total: 12_000,
  })
  expect(durations({ left: stampAt(59_000) })['stopping']).toBe('the clock went backwards')
  expect(durations({ begun: null, left: null })).toMatchObject({ total: expect.stringContaining('something other') })
  expect(durations({ begun: null })).toMatchObject({ stopping: expect.stringContaining('something other'), down: 9000 })
  const asleep = firstLook(5000, 70_000 * TICKS, { stamp: stampAt(5000, 70_000 * TICKS, { boottime: 50_000 }) })
  expect(durations({}, asleep)).toMatchObject({ down: 'the machine was suspended since', stopping: 3000 })
  const mute = firstLook(5000, 70_000 * TICKS, { init: { raw: null, uncertainty: 0, problem: 'no log' } })
  expect(durations({}, mute)).toMatchObject({ down: 'no log', total: 'no log' })
  const uncounted = firstLook(5000, 0, { stamp: stampAt(5000, 0, { counter: null }), rate: null })
  expect(durations({}, uncounted)).toMatchObject({ down: 'the counter of this processor cannot be read' })
  expect(durations({}, firstLook(5000, 70_000 * TICKS, { rate: null }))['down']).toMatch(/does not run on/)
  // The old kernel saw another speed: its stamps are ten seconds apart.
  const slower = { perMillisecond: TICKS * 0.9, error: 0 }
  expect(durations({}, firstLook(5000, 70_000 * TICKS, { rate: slower }))['down']).toMatch(/changed its speed/)
  // Suspended between the load and the reboot, with the counter running on.
  expect(durations({ loaded: stampAt(20_000, 0, { raw: 30_000, boottime: 20_000 }) })['total']).toBe(12_000)
})

test('kexecs since the firmware started the machine, as far as each was seen', () => {
  const system = machine(boot(0, 'grub'))
  expect(load(system)).toBeUndefined()
  expect(stored(system)).toMatchObject([{ number: 1, from: { bootId: BOOTS[0] }, begun: null, arrival: null }])
  // Loaded again: the first one never became a kexec.
  load(system)
  expect(stored(system)).toMatchObject([{ number: 1 }])
  write(system, [kexecRecord()])
  change(system, boot(1, 'kexec'))
  // The next load notes the arrival, if nobody has asked before.
  load(system)
  expect(stored(system)).toMatchObject([{ number: 1, arrival: { bootId: BOOTS[1] } }, { number: 2 }])
  // A kexec that was not ours in between: from there on the number is unknown.
  change(system, boot(2, 'kexec', newer, 'other'))
  load(system)
  expect(stored(system).map(({ number }) => number)).toEqual([1, null])
})

test('a load that is undone is forgotten; a reboot that ended is not one', () => {
  const system = machine(boot(0, 'grub'))
  write(system, [kexecRecord()])
  noteAbandoned(system)
  expect(stored(system)).toMatchObject([{ begun: null, left: null }])
  // Nothing of ours is loaded here: whatever is started is not ours.
  noteLeft(system)
  expect(stored(system)).toEqual([])
  write(system, [kexecRecord()])
  noteLeft(system)
  expect(stored(system)[0]?.left?.at).not.toBe(kexecRecord().left?.at)
  noteUnload(system)
  expect(stored(system)).toEqual([])
  // What ran already stays.
  change(system, boot(1, 'kexec'))
  write(system, [kexecRecord()])
  noteUnload(system)
  noteAbandoned(system)
  expect(stored(system)).toEqual([kexecRecord()])
})

test('a power cut after each write: no kexec is claimed that did not happen', () => {
  const steps: readonly Partial<KexecRecord>[] = [{ begun: null, left: null }, { left: null }, {}]
  for (const [index, step] of steps.entries()) {
    // The firmware starts the old kernel, or the new one, with the very same command line.
    for (const release of [older, newer]) {
      const cut = after(boot(1, 'grub', release), step)
      const last = lastKexec(cut, { look })
      expect(last).toMatchObject({ kexec: null, kexecs: 0, startedBy: 'firmware' })
      expect(last.history.map(({ isArrived }) => isArrived)).toEqual(index === 0 ? [] : [false])
      load(cut)
      expect(stored(cut)).toHaveLength(index === 0 ? 1 : 2)
      expect(stored(cut).at(-1)?.number).toBe(1)
    }
    expect(lastKexec(after(boot(1, 'kexec'), step), { look }).kexec?.isArrived).toBe(true)
  }
})

test('the history has the last 50, the newest first', () => {
  const system = machine(boot(0, 'grub'))
  for (let number = 1; number <= 60; number++) {
    const tree = boot(1, 'kexec')
    const bootId = `boot-${number}`
    load(system, firstLook(5000, 70_000 * TICKS * number))
    change(system, { ...tree, '/proc/sys/kernel/random/boot_id': { text: `${bootId}\n` } })
    const kexecs = stored(system)
    write(system, [...kexecs.slice(0, -1), { ...(kexecs.at(-1) as KexecRecord), loaded: stampAt(number) }])
    lastKexec(system, { look: firstLook(5000, 70_000 * TICKS * number), keeps: true })
  }
  expect(stored(system)).toHaveLength(51)
  const { kexec, history, kexecs } = lastKexec(system)
  expect([kexec?.number, kexecs, history.length]).toEqual([60, 60, 50])
  expect(history.map(({ number }) => number)).toEqual(Array.from({ length: 50 }, (_, index) => 59 - index))
})

test('a record that is damaged, newer or anyone’s is not believed; the next load keeps it aside', () => {
  const system = machine(boot(0, 'grub'))
  write(system, [kexecRecord()])
  const path = join(system.root, FILE)
  const whole = JSON.stringify({ schemaVersion: 1, kexecs: [kexecRecord()] })
  const problem = (text: string) => {
    change(system, { [FILE]: { text } })
    return new KexecRecords(system).read().problem?.replace(path, 'FILE')
  }
  const changed = (changes: object) =>
    problem(JSON.stringify({ schemaVersion: 1, kexecs: [{ ...kexecRecord(), ...changes }] }))
  chmodSync(path, 0o600)
  expect(problem(whole)).toBeUndefined()
  for (let length = 0; length < whole.length; length += 7) expect(problem(whole.slice(0, length))).toMatch(/cut off/)
  expect(problem('null')).toBe('FILE cannot be trusted: its version is not 1')
  expect(problem('{"schemaVersion":2}')).toBe('FILE cannot be trusted: a newer linux-kexec wrote it (version 2)')
  expect(problem('{"schemaVersion":1,"kexecs":{}}')).toMatch(/its field kexecs is wrong/)
  expect(changed({ id: '../x' })).toBe('FILE cannot be trusted: kexec 1: its field id is wrong')
  expect(changed({ loaded: { ...stampAt(1), counter: '1e5' } })).toMatch(/its field loaded is wrong/)
  expect(changed({ begun: { ...stampAt(1), at: 'soon' } })).toMatch(/its field begun is wrong/)
  const still = { bootId: 'x', stamp: stampAt(1), initBegan: '1', uncertainty: 0, perMillisecond: 0, problem: null }
  expect(changed({ arrival: still })).toMatch(/its field arrival is wrong/)
  expect(changed({ number: -1 })).toMatch(/its field number is wrong/)
  expect(changed({ number: 1.5 })).toMatch(/its field number is wrong/)
  for (const field of Object.keys(kexecRecord()))
    expect(changed({ [field]: undefined })).toContain(`its field ${field}`)
  // Shown, and not overwritten.
  change(system, { ...boot(1, 'kexec'), [FILE]: { text: '{' } })
  expect(lastKexec(system, { look, keeps: true })).toMatchObject({
    kexec: null,
    problem: expect.stringMatching(/cut off/),
    reason: expect.stringMatching(/cut off/),
  })
  expect(load(system)).toBeUndefined()
  expect(stored(system)).toMatchObject([{ number: null }])
  expect(system.readText(`${FILE}.damaged`)).toBe('{')
  chmodSync(path, 0o644)
  expect(new KexecRecords(system).read().problem).toMatch(/is accessible to users other than its owner/)
})

test('a directory that cannot be written is said, and nothing else fails', () => {
  const system = machine({ ...boot(0, 'grub'), '/etc/linux-kexec/state-directory': { text: 'relative\n' } })
  chmodSync(join(system.root, '/etc/linux-kexec/state-directory'), 0o644)
  expect(load(system)).toMatch(/the kernel is loaded, but `linux-kexec last` will not know of it: .*absolute path/)
  const file = machine({ ...boot(0, 'grub'), '/var/lib/linux-kexec': { text: '' } })
  expect(load(file)).toMatch(/will not know of it/)
  expect(() => noteUnload(file)).not.toThrow()
})
