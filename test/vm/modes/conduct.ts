import { errnoName } from '../../../src/errors.ts'
import type { KexecPolicy, Verdict } from '../../../src/policy/index.ts'
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

/** What our command printed, and its exit status. */
interface Printed<Document> {
  readonly status: number
  readonly document: Document
}

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
export interface Run {
  readonly scenario: Scenario
  readonly policy: KexecPolicy
  readonly verdicts: Partial<Record<ImageName, Verdict>>
  /** Before and after all that was predicted. */
  readonly states: readonly [string, string]
  readonly outcome: ScenarioOutcome
  /** What `load --try-anyway` said of the first image that met each errno. */
  readonly errors: Partial<Record<ImageName, LoadError>>
  /** A tar archive of the files that the prediction was made of. */
  readonly captured: Buffer
}

/** Boots a machine and leads it through its scenarios. @param onRun called with each as it ends */
export async function conduct(
  machine: ModeMachine,
  guest: Guest,
  images: ModeImages,
  onRun: (run: Run) => void,
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
    for (const scenario of machine.scenarios) onRun(await perform(vm, scenario))
  } finally {
    await vm.stop()
  }
}

async function perform(vm: Vm, scenario: Scenario): Promise<Run> {
  const { within = '', enter, title, unknowable } = scenario
  const offered = imagesOf(scenario)
  if (scenario.kexec) {
    await succeed(vm, 'linux-kexec load running')
    await vm.spawn('linux-kexec exec')
    await vm.booted({ deadline: BOOT })
  }
  if (enter !== undefined) await succeed(vm, enter)
  const before = await succeed(vm, state)
  const { document: policy } = await command<KexecPolicy>(vm, `${within} linux-kexec policy`)
  const verdicts: Partial<Record<ImageName, Verdict>> = {}
  for (const name of offered) {
    const planned = await command<{ verdict: Verdict }>(vm, `${within} linux-kexec plan /images/${name} ${options}`)
    verdicts[name] = planned.document.verdict
  }
  const after = await succeed(vm, state)
  const capture = await vm.run(`${within} /bin/sh -c '${captureScript.replaceAll("'", `'\\''`)}'`)
  if (capture.status !== 0) throw new Error(capture.stderr)
  const paths = offered.map((name) => `/images/${name}`).join(' ')
  const kernel = (await succeed(vm, 'uname -r')).trim()
  const attempts = parseAttempts(await succeed(vm, `${within} /usr/local/bin/try-kexec ${paths}`), errnoName)
  const outcome = { title, kernel, unknowable: unknowable ?? null, ...attempts }
  const errors = await explain(vm, within, outcome)
  return { scenario, policy, verdicts, states: [before, after], outcome, errors, captured: capture.stdoutBytes }
}

const options = '--no-initrd --command-line console=ttyS0'

async function explain(vm: Vm, within: string, { images }: ScenarioOutcome): Promise<Run['errors']> {
  const errors: Partial<Record<ImageName, LoadError>> = {}
  const met = new Set<string>()
  for (const [name, { errno }] of Object.entries(images) as [ImageName, { errno: string | null }][]) {
    if (errno === null || met.has(errno)) continue
    met.add(errno)
    const load = `${within} linux-kexec load /images/${name} ${options} --try-anyway`
    errors[name] = (await command<{ error: LoadError }>(vm, load)).document.error
  }
  return errors
}

async function command<Document>(vm: Vm, line: string): Promise<Printed<Document>> {
  const { status, stdout, stderr } = await vm.run(`${line} --json`)
  if (stdout === '') throw new Error(`${line} ended with ${status}:\n${stderr}`)
  return { status, document: JSON.parse(stdout) as Document }
}

async function succeed(vm: Vm, script: string): Promise<string> {
  const { status, stdout, stderr } = await vm.run(script)
  if (status !== 0) throw new Error(`${script}\nended with ${status}:\n${stdout}${stderr}`)
  return stdout
}
