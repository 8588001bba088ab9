import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { choose } from '../../../../src/plan/choices/choices.ts'
import { closeFiles, readContext } from '../../../../src/plan/context/context.ts'
import { rehearsedPlan, requireReceipt } from '../../../../src/plan/loading/rehearsed.ts'
import type { PlanOptions } from '../../../../src/plan/model/options.ts'
import { type Receipt, Receipts } from '../../../../src/receipts/receipt.ts'
import { System } from '../../../../src/system/system.ts'
import { emptyArchive, type Tree } from '../../entries/tree.ts'
import { debian, makeMachine, newer } from '../debian.ts'

const other = Buffer.concat([emptyArchive, Buffer.alloc(512)])
const files: Tree = {
  '/tmp/one.img': { file: emptyArchive },
  '/tmp/other.img': { file: other },
  '/etc/motd': { text: 'x' },
}
const given: PlanOptions = {
  kernel: `/boot/vmlinuz-${newer}`,
  initrds: ['/tmp/one.img'],
  commandLine: 'root=/dev/vda1 quiet',
  engine: 'file',
}

let state: string
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'linux-kexec-receipts-'))
  vi.stubEnv('XDG_STATE_HOME', state)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(state, { recursive: true, force: true })
})

async function chosen(more: PlanOptions, changes: Tree = {}) {
  const root = makeMachine({ ...debian, ...files, ...changes })
  const { value } = await readContext(new System(root), { ...given, ...more, root })
  return { ...(await choose(value)), close: () => closeFiles(value) }
}

/** What a load with these options says to the receipts. @returns null when it goes on */
async function refusal(more: PlanOptions, changes: Tree = {}): Promise<string | null> {
  const { context, value, close } = await chosen({ requireRehearsal: true, ...more }, changes)
  try {
    await requireReceipt(context, value, {})
    return null
  } catch (error) {
    expect(error).toMatchObject({ reason: 'not-rehearsed', refused: true, hint: expect.any(String) })
    return (error as Error).message
  } finally {
    close()
  }
}

async function pass(at = new Date()): Promise<string> {
  const { context, value, close } = await chosen({})
  const receipt: Receipt = {
    ...(await rehearsedPlan(context, value)),
    schemaVersion: 1,
    at: at.toISOString(),
    kernel: 'k',
    release: null,
    from: { path: 'k', sha256: '' },
    accelerator: 'tcg',
    init: null,
    expect: null,
    withInitrdInit: false,
    count: 1,
    lockdown: null,
    phases: {},
    tools: { linuxKexec: '', node: '', qemu: '' },
  }
  close()
  return new Receipts(new System()).write(receipt)
}

const DAY = 24 * 60 * 60 * 1000

describe('a load that needs a rehearsal', () => {
  test('is refused without one, and goes on with one of exactly the same plan', async () => {
    expect(await refusal({})).toContain('has not passed a rehearsal')
    await pass()
    expect(await refusal({})).toBeNull()
  })

  test('does not ask for one unless it is wanted', async () => {
    expect(await refusal({ requireRehearsal: false })).toBeNull()
  })

  test.each<[string, PlanOptions]>([
    ['another initrd', { initrds: ['/tmp/other.img'] }],
    ['no initrd', { initrds: [], noInitrd: true }],
    ['one initrd more', { initrds: ['/tmp/one.img', '/tmp/other.img'] }],
    ['an overlay', { overlay: ['/etc/motd'] }],
    ['another parameter', { append: 'debug' }],
    ['a parameter less', { remove: 'quiet' }],
    ['another order', { commandLine: 'quiet root=/dev/vda1' }],
    ['another engine', { engine: 'segments' }],
    ['another way', { fast: true }],
  ])('is refused with %s', async (_name, more) => {
    await pass()
    expect(await refusal(more)).toContain('has not passed a rehearsal')
  })

  test('is refused whichever byte of the kernel or the initrd changed', async () => {
    await pass()
    const root = makeMachine(debian)
    const kernel = readFileSync(join(root, `/boot/vmlinuz-${newer}`))
    // Bytes that no header or checksum of the reader looks at are in it too.
    for (const at of [kernel.length - 1, Math.floor(kernel.length / 2), 0x230]) {
      const changed = Buffer.from(kernel)
      changed[at] = (changed[at] as number) ^ 1
      expect(
        await refusal({ tryAnyway: true }, { [`/boot/vmlinuz-${newer}`]: { file: changed } }),
        `${at}`,
      ).not.toBeNull()
    }
    for (let at = 0; at < emptyArchive.length; at += 37) {
      const changed = Buffer.from(emptyArchive)
      changed[at] = (changed[at] as number) ^ 1
      expect(await refusal({ tryAnyway: true }, { '/tmp/one.img': { file: changed } }), `${at}`).not.toBeNull()
    }
  })

  test('takes no account of what a trial adds', async () => {
    await pass()
    expect(await refusal({ trial: { allowGaps: true } })).toBeNull()
    expect(await refusal({ trial: { allowGaps: true }, append: 'debug' })).not.toBeNull()
  })

  test('and that names days is refused when they are over, and when the clock went back', async () => {
    await pass(new Date(Date.now() - 3 * DAY))
    expect(await refusal({ requireRehearsal: 4 })).toBeNull()
    expect(await refusal({ requireRehearsal: 2 })).toContain('not within 2 days')
    await pass(new Date(Date.now() + DAY))
    expect(await refusal({ requireRehearsal: 2 })).toContain('not within 2 days')
    expect(await refusal({})).toBeNull()
  })

  test('and that has a device tree of its own is refused', async () => {
    await pass()
    expect(await refusal({ deviceTree: '/tmp/one.img' })).toContain('device tree')
  })

  test('and that is a crash kernel is refused', async () => {
    expect(await refusal({ panic: true })).toContain('crash kernel')
  })
})

describe('a receipt', () => {
  const text = (path: string) => readFileSync(path, 'utf8')

  test.each<[string, (path: string) => void]>([
    ['cut off', (path) => writeFileSync(path, text(path).slice(0, 100))],
    ['empty', (path) => writeFileSync(path, '')],
    [
      'of another version',
      (path) => writeFileSync(path, text(path).replace('"schemaVersion": 1', '"schemaVersion": 2')),
    ],
    ['without a time', (path) => writeFileSync(path, text(path).replace(/"at": ".*"/, '"at": "then"'))],
    ['of another plan, under this name', (path) => writeFileSync(path, text(path).replace('quiet', 'debug'))],
    ['that others may read', (path) => chmodSync(path, 0o644)],
    ['that others may write', (path) => chmodSync(path, 0o622)],
    ['in a directory that others may write', (path) => chmodSync(join(path, '..'), 0o777)],
    [
      'that is a link',
      (path) => {
        writeFileSync(`${path}.real`, text(path), { mode: 0o600 })
        rmSync(path)
        symlinkSync(`${path}.real`, path)
      },
    ],
  ])('%s is not trusted', async (_name, spoil) => {
    spoil(await pass())
    expect(await refusal({})).toContain('cannot be trusted')
  })

  test('of the same plan takes the place of the one before', async () => {
    await pass(new Date(Date.now() - 3 * DAY))
    const path = await pass()
    expect(readdirSync(join(path, '..'))).toHaveLength(1)
    expect(await refusal({ requireRehearsal: 1 })).toBeNull()
  })
})
