import { expect, test } from 'vitest'
import * as library from '../../../src/index.ts'
import { KexecError } from '../../../src/index.ts'
import { makeMachine, newer } from '../plan/debian.ts'

/** What a call is refused with. Where it is not, what it did instead. */
async function refusal(call: () => unknown): Promise<unknown> {
  try {
    return { returned: await call() }
  } catch (error) {
    return error
  }
}

/** Every function that takes options, called with some. */
const calls: Readonly<Record<string, (options: object) => unknown>> = {
  'assessHandover()': library.assessHandover,
  'detectPolicy()': library.detectPolicy,
  'diagnose()': library.diagnose,
  'discover()': library.discover,
  'execute()': library.execute,
  'inspect()': (options) => library.inspect('/dev/null', options),
  'inspectFile()': (options) => library.inspectFile('/dev/null', options),
  'inspectSignatures()': (options) => library.inspectSignatures('/dev/null', options),
  'installHandover()': library.installHandover,
  'installServices()': library.installServices,
  'lastKexec()': library.lastKexec,
  'loadedImages()': library.loadedImages,
  'matrix()': (options) => library.matrix('/nowhere/kernels.json', options),
  'plan()': library.plan,
  'planShrinking()': (options) => library.planShrinking(0, options),
  'predict()': async (options) => library.predict(await library.inspect('/dev/null'), options),
  'readBootMenu()': library.readBootMenu,
  'reboot()': library.reboot,
  'removeHandover()': library.removeHandover,
  'removeServices()': library.removeServices,
  'reuseCommandLine()': (options) => library.reuseCommandLine('', options),
  'showServices()': library.showServices,
  'status()': library.status,
  'trialStatus()': library.trialStatus,
  'unload()': library.unload,
}

/** Were it not refused, it would change the machine that `root` names. */
function changesFiles(name: string): boolean {
  return /^(?:install|remove)/.test(name)
}

test.each(Object.entries(calls))('%s names an option that it does not have', async (name, call) => {
  const error = await refusal(() => call({ ...(changesFiles(name) ? { root: '/nowhere' } : {}), rooot: '/' }))
  expect(error).toBeInstanceOf(KexecError)
  expect(error).toMatchObject({ reason: 'invalid-argument', kind: 'caller', refused: true })
  expect(String(error)).toContain(`${name} has no option 'rooot'`)
})

test.each(Object.entries(calls).filter(([name]) => !changesFiles(name)))(
  '%s takes its options in an object only',
  async (_, call) => {
    for (const options of [null, 'x', 5, ['x']]) {
      expect(await refusal(() => call(options as object))).toMatchObject({ reason: 'invalid-argument' })
    }
  },
)

test('an option that an object inherits is not passed over in silence', async () => {
  const inherited = Object.create({ initrd: '/initrd' })
  expect(await refusal(() => library.plan(inherited))).toMatchObject({
    reason: 'invalid-argument',
    hint: expect.stringMatching(/^Did you mean 'initrds'\?/),
  })
})

test.each([
  ['initrd', 'initrds'],
  ['cmdline', 'commandLine'],
  ['commandline', 'commandLine'],
  ['dtb', 'deviceTree'],
  ['devicetree', 'deviceTree'],
  ['system', 'root'],
  ['appendd', 'append'],
])('plan({ %s }) was meant as %s', async (given, meant) => {
  const { hint } = (await refusal(() => library.plan({ [given]: 'x' }))) as KexecError
  expect(hint).toContain(`Did you mean '${meant}'?`)
})

test.each([
  ['entry', 5],
  ['kernel', 5],
  ['kernel', {}],
  ['kernel', ''],
  ['kernel', 'a\0b'],
  ['target', null],
  ['initrds', '/initrd'],
  ['initrds', [5]],
  ['profile', -1],
  ['profile', 1.5],
  ['profile', '1'],
  ['configuration', 1],
  ['vendorBoot', true],
  ['noInitrd', 'yes'],
  ['overlay', 'a'],
  ['overlay', [{ source: 5 }]],
  ['overlay', [{ source: 'a', mode: 0o10000 }]],
  ['overlay', [{ source: 'a', destinaton: '/b' }]],
  ['reuseCommandLine', 1],
  ['commandLine', ['a']],
  ['exactCommandLine', 5],
  ['append', 5],
  ['append', ['a', 5]],
  ['remove', {}],
  ['deviceTree', Buffer.alloc(1)],
  ['panic', 0],
  ['engine', 'kexec'],
  ['fast', 'true'],
  ['verifyInPurgatory', null],
  ['tryAnyway', 'no'],
  ['root', 5],
  ['root', 'a\0'],
  ['signal', new AbortController()],
])('plan({ %s: %j }) is refused by its name', async (name, value) => {
  const error = await refusal(() => library.plan({ [name]: value }))
  expect(error).toMatchObject({ reason: 'invalid-argument', refused: true })
  expect(String(error)).toContain(`the option '${name}' of plan() takes `)
})

test.each([
  ['via', 'sysd'],
  ['deadline', -1],
  ['deadline', Number.NaN],
  ['delay', '5'],
  ['at', new Date(Number.NaN)],
  ['at', 'tomorrow'],
  ['report', 'x'],
  ['message', 5],
  ['staleOk', 1],
])('reboot({ %s }) is refused by its name', async (name, value) => {
  const error = await refusal(() => library.reboot({ [name]: value, dryRun: true }))
  expect(String(error)).toContain(`the option '${name}' of reboot() takes `)
})

test('a word that is nearly one of an option is named', async () => {
  expect(await refusal(() => library.plan({ engine: 'segment' as 'file' }))).toMatchObject({
    hint: "Did you mean 'segments'?",
    message: expect.stringContaining("takes 'auto', 'file' or 'segments', not \"segment\""),
  })
})

test.each<[string, () => unknown]>([
  ['parseCommandLine', () => library.parseCommandLine(5 as never)],
  ['printCommandLine', () => library.printCommandLine('quiet' as never)],
  ['commandLineBytes', () => library.commandLineBytes(undefined as never)],
  ['appendParameters', () => library.appendParameters(library.parseCommandLine(''), 5 as never)],
  ['removeParameter', () => library.removeParameter({} as never, 'a')],
  ['inspect', () => library.inspect(undefined as never)],
  ['inspectFile', () => library.inspectFile(Buffer.from('x') as never)],
  ['selectEntry', () => library.selectEntry([5] as never)],
  ['planShrinking', () => library.planShrinking(-1)],
  ['shrinkReservation', () => library.shrinkReservation('5' as never)],
  ['predict', () => library.predict({} as never)],
  ['errnoName', () => library.errnoName('EPERM' as never)],
  ['errnoNumber', () => library.errnoNumber(1 as never)],
])('%s: an argument of another type is refused', async (name, call) => {
  const error = await refusal(call)
  expect(error).toMatchObject({ reason: 'invalid-argument' })
  expect(String(error)).toContain(name)
})

test('undefined counts as not given, and what is read is what was checked', async () => {
  let reads = 0
  const options = {
    root: makeMachine(),
    entry: undefined,
    get append() {
      reads++
      return reads === 1 ? 'first' : (5 as unknown as string)
    },
  } as unknown as library.PlanOptions
  using made = await library.plan(options)
  expect(made.commandLine).toMatch(/ first$/)
  expect(made.image.version).toBe(newer)
})

test('hints of the library name its own options', async () => {
  const missing = await refusal(() =>
    library.plan({ root: makeMachine(), kernel: `/boot/vmlinuz-${newer}`, noInitrd: true }),
  )
  const { returned } = missing as { returned: library.LoadPlan }
  using made = returned
  const words = made.explain() + JSON.stringify(made)
  expect(words).toContain('noInitrd: true')
  expect(words).not.toMatch(/ --[a-z]/)
})

test('a plan takes only its own options for its loading, and is none the worse', async () => {
  using made = await library.plan({ root: makeMachine() })
  expect(await refusal(() => made.load({ onprogress: () => {} } as library.PrepareOptions))).toMatchObject({
    hint: expect.stringContaining("Did you mean 'onProgress'?"),
  })
  expect(await refusal(() => made.prepare({ signal: 5 } as never))).toMatchObject({ reason: 'invalid-argument' })
  expect(await made.prepare()).toBeUndefined()
})

test.each<[object, string]>([
  [{ init: 'true', withInitrdInit: true }, 'exclude each other'],
  [{ expect: 'x', withInitrdInit: true }, 'exclude each other'],
  [{ count: 0 }, 'a whole number from 1 to 1000'],
  [{ count: 1.5 }, 'a whole number from 1 to 1000'],
  [{ count: 1001 }, 'a whole number from 1 to 1000'],
  [{ lockdown: 'on' }, 'integrity'],
  [{ lockdown: true }, 'integrity'],
  [{ withInitrdInit: 'yes' }, 'true or false'],
])('rehearse() refuses %j', async (options, message) => {
  const error = await refusal(() => library.rehearse(options as never))
  expect(error).toMatchObject({ reason: 'invalid-argument', refused: true })
  expect(String(error)).toContain(message)
})

test('rehearse() takes `init` or `expect`, since the command of the one would not run with the other', async () => {
  const error = await refusal(() => library.rehearse({ init: 'true', expect: 'login:' }))
  expect(error).toMatchObject({ reason: 'invalid-argument', refused: true })
  expect(String(error)).toContain('exclude each other')
})
