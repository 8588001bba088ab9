import { errnoName } from '../../../src/errors.ts'
import type { KexecPolicy } from '../../../src/policy/policy.ts'
import type { LoadVerdict } from '../../../src/policy/verdict/predict.ts'
import { type Guest, type GuestKernel, startVm, type Vm } from '../../../src/vm/index.ts'
import { captureScript } from './capture.ts'
import type { ImageName, ModeImages } from './images.ts'
import { parseAttempts, type ScenarioOutcome } from './outcome.ts'
import { imagesOf, type ModeMachine, type Scenario } from './scenarios.ts'

/** Milliseconds a boot may take, through firmware and on a busy machine. */
const BOOT = 240_000

/** What predictions must leave as it is. Limits count attempts, and the taint flags what was done. */
const state = `for file in /proc/sys/kernel/tainted /proc/sys/kernel/kexec_load_* /sys/kernel/kexec_loaded \
/sys/kernel/kexec_crash_loaded; do [ -f $file ] && echo "$file $(cat $file)"; done`

/** What our library says of a machine and of each image. */
interface Prediction {
  readonly policy: KexecPolicy
  readonly verdicts: Partial<Record<ImageName, LoadVerdict>>
}

/** Program for the guest that prints a prediction of the images that it is called with. */
export const predictProgram = `
import { detectPolicy, plan } from '/usr/lib/node_modules/linux-kexec/dist/index.js'
const verdicts = {}
for (const name of process.argv.slice(2)) {
  verdicts[name] = (await plan({ kernel: '/images/' + name, initrds: [], commandLine: 'console=ttyS0' })).verdict
}
console.log(JSON.stringify({ policy: detectPolicy(), verdicts }))
`

/** Of `load --json`, as far as it is looked at. */
interface LoadError {
  readonly code: string | null
  readonly reason: string
  readonly refused: boolean
  readonly summary: string
  readonly hint: string
  readonly evidence: readonly { readonly source: string; readonly value: string }[]
}

/** Of one scenario: what was predicted, what came of it, and how it was explained. */
export interface Run extends Prediction {
  readonly scenario: Scenario
  /** Before and after all that was predicted. */
  readonly states: readonly [string, string]
  readonly outcome: ScenarioOutcome
  /** What `load --try-anyway` said of the first image that met each errno. */
  readonly errors: Partial<Record<ImageName, LoadError>>
  /** What our commands said of the machine and of the first image; only in the first scenario of a machine. */
  readonly commands: { readonly policy: KexecPolicy; readonly plan: { readonly verdict: LoadVerdict } } | null
  /** A tar archive of the files that the prediction was made of, when it is to be kept. */
  readonly captured: Buffer | null
}

interface Wanted {
  readonly withCommands: boolean
  readonly withCapture: boolean
}

/** Boots a machine and leads it through its scenarios. @param onRun called with each as it ends */
export async function conduct(
  machine: ModeMachine,
  guest: Guest,
  images: ModeImages,
  { withCapture, onRun }: { readonly withCapture: boolean; readonly onRun: (run: Run) => void },
): Promise<void> {
  const kernel = guest.kernels[machine.kernel === 'older' ? 0 : 1] as GuestKernel
  const vm = await startVm({
    ...(machine.rootInInitrd
      ? { kernel: { kernel: kernel.kernel, initrd: guest.rootImage } }
      : { guest, kernel, bootLoader: machine.firmware === undefined ? 'none' : 'shim' }),
    ...(machine.append === undefined ? {} : { append: machine.append }),
    ...(machine.firmware === undefined ? {} : { firmware: machine.firmware(images) }),
    memory: 1536,
  })
  try {
    await vm.booted({ deadline: BOOT })
    for (const [index, scenario] of machine.scenarios.entries()) {
      onRun(await perform(vm, scenario, { withCommands: index === 0, withCapture }))
    }
  } finally {
    await vm.stop()
  }
}

async function perform(vm: Vm, scenario: Scenario, { withCommands, withCapture }: Wanted): Promise<Run> {
  const { within = '', enter, title, unknowable } = scenario
  const offered = imagesOf(scenario)
  if (scenario.kexec) {
    await succeed(vm, 'linux-kexec load running')
    await vm.spawn('linux-kexec exec')
    await vm.booted({ deadline: BOOT })
  }
  if (enter !== undefined) await succeed(vm, enter)
  const before = await succeed(vm, state)
  const { policy, verdicts } = await read<Prediction>(vm, `${within} node /images/predict.mjs ${offered.join(' ')}`)
  const commands = withCommands ? await runCommands(vm, within, offered[0] as ImageName) : null
  const after = await succeed(vm, state)
  const captured = withCapture ? await capture(vm, within) : null
  const paths = offered.map((name) => `/images/${name}`).join(' ')
  const kernel = (await succeed(vm, 'uname -r')).trim()
  const attempts = parseAttempts(await succeed(vm, `${within} /usr/local/bin/try-kexec ${paths}`), errnoName)
  const outcome = { title, kernel, unknowable: unknowable ?? null, ...attempts }
  const errors = await explain(vm, within, outcome)
  return { scenario, policy, verdicts, states: [before, after], outcome, errors, commands, captured }
}

const options = '--no-initrd --command-line console=ttyS0'

async function explain(vm: Vm, within: string, { images }: ScenarioOutcome): Promise<Run['errors']> {
  const errors: Partial<Record<ImageName, LoadError>> = {}
  const met = new Set<string>()
  for (const [name, { errno }] of Object.entries(images) as [ImageName, { errno: string | null }][]) {
    if (errno === null || met.has(errno)) continue
    met.add(errno)
    const load = `${within} linux-kexec load /images/${name} ${options} --try-anyway --json`
    errors[name] = (await read<{ error: LoadError }>(vm, load)).error
  }
  return errors
}

async function runCommands(vm: Vm, within: string, image: ImageName): Promise<Run['commands']> {
  await read(vm, `${within} linux-kexec doctor --json`)
  const policy = await read<KexecPolicy>(vm, `${within} linux-kexec policy --json`)
  const plan = await read<{ verdict: LoadVerdict }>(vm, `${within} linux-kexec plan /images/${image} ${options} --json`)
  return { policy, plan }
}

async function capture(vm: Vm, within: string): Promise<Buffer> {
  const { status, stdoutBytes, stderr } = await vm.run(
    `${within} /bin/sh -c '${captureScript.replaceAll("'", `'\\''`)}'`,
  )
  if (status !== 0) throw new Error(stderr)
  return stdoutBytes
}

/** The document that a command prints, whatever its exit status. */
async function read<Document>(vm: Vm, line: string): Promise<Document> {
  const { status, stdout, stderr } = await vm.run(line)
  if (stdout === '') throw new Error(`${line} ended with ${status}:\n${stderr}`)
  return JSON.parse(stdout) as Document
}

async function succeed(vm: Vm, script: string): Promise<string> {
  const { status, stdout, stderr } = await vm.run(script)
  if (status !== 0) throw new Error(`${script}\nended with ${status}:\n${stdout}${stderr}`)
  return stdout
}
