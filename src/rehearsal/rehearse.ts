import { rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { heed } from '../abort.ts'
import { KexecError } from '../errors.ts'
import { flagName } from '../option-name.ts'
import type { LoadPlan } from '../plan/load-plan.ts'
import type { PlanOptions } from '../plan/model/options.ts'
import { extendedPlan, plan as planFor } from '../plan/plan.ts'
import { unpackedKernel } from '../vm/guest/unpacked-kernel.ts'
import type { Architecture } from '../vm/machine/architectures.ts'
import { provenAccelerator } from '../vm/provision/accelerator.ts'
import { additionsFor, commandLineBetween, loadingCommandLine, ownInit } from './additions.ts'
import { concluded, differencesOf, refused } from './conclusion.ts'
import { asKexecError } from './failure.ts'
import { writeLoadingInitrd } from './guest/loading-initrd.ts'
import { chooseLoadingKernel, type LoadingKernel } from './guest/loading-kernel.ts'
import { type PlanFile, writePlanFiles } from './guest/plan-files.ts'
import { makeDirectory, rootDisk } from './host-files.ts'
import { newWord } from './init/init.ts'
import { memoryFor } from './machine/memory.ts'
import { ownMachine, type ToolVersions, toolVersions } from './machine/own-machine.ts'
import { type MachineRecord, runRehearsal } from './machine/rehearsal-machine.ts'
import type { RehearseOptions } from './model/options.ts'
import type { RehearsalRecord } from './model/rehearsal.ts'
import { type LeftReceipt, leaveReceipt } from './receipt.ts'

/** A rehearsal that was carried out. */
export interface Rehearsal extends RehearsalRecord {
  /** The plan that was rehearsed, as `plan --json` shows it. */
  readonly plan: ReturnType<LoadPlan['toJSON']>
  /** The kernel that loaded it. */
  readonly from: LoadingKernel
  /** What the rehearsal changed: parameters, and files of the initrd. */
  readonly added: readonly string[]
  readonly accelerator: 'kvm' | 'tcg' | null
  /** The proof, where it passed: its file, or why it could not be written. */
  readonly receipt: LeftReceipt | null
}

const TIMEOUT = 120_000

/**
 * Carries out a plan in QEMU: another kernel loads it, with our engine, and starts it. Nothing of this machine is changed.
 * @throws KexecError when there is nothing to plan for, or this machine cannot rehearse; ProvisionError without QEMU
 */
export async function rehearse(options: RehearseOptions): Promise<Rehearsal> {
  const { signal, count = 1 } = options
  heed(signal)
  const machine = ownMachine()
  if (machine === undefined) throw unsupported(`a rehearsal cannot run on ${process.arch} machines`)
  const disk = await rootDisk(options.rootImage)
  using bare = await planFor(planOptionsOf(options))
  const from = await chooseLoadingKernel(options.from, bare, options.root)
  const common = { plan: bare.toJSON(), from }
  const refusal = bare.refusals[0] ?? damageOf(bare, options) ?? (await withoutInit(bare, options))
  if (refusal !== undefined) return { ...common, ...withoutMachine, ...refused(refusal, count) }
  const { architecture, name } = machine
  const { architecture: own } = bare.image
  if (own !== name)
    throw unsupported(`a rehearsal cannot start kernels of ${own ?? 'an unknown architecture'} on this machine`)
  const directory = await makeDirectory(options.keep)
  let isKept = false
  try {
    const ended = await carryOut({ options, count, bare, from, architecture, name, disk, directory })
    // Without a machine there is nothing to keep.
    isKept = options.keep !== undefined && ended.accelerator !== null
    return { ...common, ...ended }
  } catch (error) {
    throw asKexecError(error)
  } finally {
    if (!isKept) await rm(directory, { recursive: true, force: true })
  }
}

const withoutMachine = { added: [], accelerator: null, receipt: null }

/**
 * `tryAnyway` also lets damage pass that is gone with the container of the kernel or the initrd: what the guest is given
 * does not show it, and `load` refuses it.
 */
function damageOf(plan: LoadPlan, { tryAnyway = false }: RehearseOptions): KexecError | undefined {
  if (tryAnyway || !plan.warnings.some(({ code }) => code === 'damaged-image')) return undefined
  return new KexecError('the kernel or an initrd is damaged, so that `load` refuses it', {
    reason: 'damaged-image',
    hint: `Copy or make it again (\`linux-kexec inspect\` shows the damage), or give ${flagName('try-anyway')}.`,
    refused: true,
  })
}

/** Overlays alone are an initrd, too. */
async function withoutInit(plan: LoadPlan, options: RehearseOptions): Promise<KexecError | undefined> {
  const { withInitrdInit = false, signal } = options
  if (!withInitrdInit || plan.initrds.length > 0) return undefined
  if ((await plan.initrdTree(signal)).hasFile(ownInit(plan))) return undefined
  return new KexecError('the plan has no initrd, so there is no init of one to run', {
    reason: 'invalid-argument',
    hint: `Name the initrd, or rehearse without ${flagName('with-initrd-init')}.`,
    refused: true,
  })
}

interface Work {
  readonly options: RehearseOptions
  readonly count: number
  readonly bare: LoadPlan
  readonly from: LoadingKernel
  readonly architecture: Architecture
  /** Its name in kernel images. */
  readonly name: string
  /** Arguments of QEMU for the root image. */
  readonly disk: readonly string[]
  readonly directory: string
}

async function carryOut(work: Work): Promise<Omit<Rehearsal, 'plan' | 'from'>> {
  const { options, count, bare, architecture, disk, from } = work
  const tools = await toolVersions(architecture)
  const kernel = await unpackedKernel(from.path)
  const accelerator = await chooseAccelerator(options, architecture, kernel)
  const words = { loading: newWord(), between: newWord(), loaded: newWord() }
  const additions = await additionsFor({ ...work, accelerator, word: words.loaded })
  // Not planned anew: a stream can be read only once, and the receipt must be of the very files that are rehearsed.
  using plan = await extendedPlan(bare, additions)
  const added = [...additions.append, ...additions.overlay.flatMap(({ destination }) => destination ?? [])]
  const [refusal] = plan.refusals
  if (refusal !== undefined) return { ...withoutMachine, ...refused(refusal, count), added }
  const machine = await machineFiles(work, plan, words)
  const record = await runRehearsal({
    ...{ architecture, words, count, timeout: options.timeout ?? TIMEOUT },
    expect: options.expect ?? null,
    runsInitrdInit: options.withInitrdInit === true || options.expect !== undefined,
    lockdown: options.lockdown ?? null,
    differencesBetween: (report) => differencesOf(report, machine.between, null),
    signal: options.signal,
    onStarted: machine.removeFiles,
    onPhase: options.onPhase,
    onConsole: options.onConsole,
    qemu: {
      accelerator,
      // Some kernels reset a machine that has them, and start on one that has not: src/plan/context/paging.ts.
      without: bare.runsWithFiveLevels() ? [] : ['la57'],
      memory: options.memory ?? machine.memory,
      cpus: options.cpus ?? 1,
      direct: {
        kernel,
        initrd: machine.initrd,
        commandLine: loadingCommandLine(architecture, accelerator, options.lockdown),
      },
      extra: [...disk, ...(options.qemuArguments ?? [])],
    },
  })
  return {
    added,
    accelerator,
    ...(await ending(work, plan, record, { accelerator, tools, initrd: machine.planned.initrd })),
  }
}

/** Writes what the machine needs. */
async function machineFiles(work: Work, plan: LoadPlan, words: { loading: string; between: string }) {
  const { options, count, architecture, name, directory } = work
  const planned = await writePlanFiles(plan, directory, options.signal)
  const between = commandLineBetween(plan.commandLine)
  const initrd = join(directory, 'loading-initrd')
  const carried = {
    kernel: planned.kernel.path,
    initrd: planned.initrd?.path ?? null,
    ...{ commandLine: plan.commandLine, between, engine: plan.engine },
    fast: options.fast ?? false,
    tryAnyway: options.tryAnyway ?? false,
  }
  await writeLoadingInitrd(initrd, { plan: carried, architecture: name, port: architecture.control, words, count })
  const removeFiles = async () => {
    // QEMU has read the kernel and the initrd by then: a rehearsal that is killed leaves nothing.
    if (options.keep === undefined) await rm(directory, { recursive: true, force: true })
  }
  const bytes = planned.kernel.size + (planned.initrd?.size ?? 0)
  const memory = memoryFor((await stat(initrd)).size, bytes, count)
  return { planned, between, initrd, memory, removeFiles }
}

async function ending(
  work: Work,
  plan: LoadPlan,
  record: MachineRecord,
  machine: { readonly accelerator: 'kvm' | 'tcg'; readonly tools: ToolVersions; readonly initrd: PlanFile | null },
): Promise<RehearsalRecord & Pick<Rehearsal, 'receipt'>> {
  const { options, architecture, disk, directory, count } = work
  if (options.keep !== undefined) await writeFile(join(directory, 'console.log'), record.console)
  const { commandLine } = plan
  const ended = concluded(record, {
    commandLine,
    initrd: machine.initrd,
    architecture,
    hasDisk: disk.length > 0,
    count,
  })
  const passed = ended.outcome.kind === 'passed'
  return { ...ended, receipt: passed ? await leaveReceipt({ ...work, ...machine }, ended.phases) : null }
}

async function chooseAccelerator(
  { accelerator = 'auto' }: RehearseOptions,
  architecture: Architecture,
  kernel: string,
): Promise<'kvm' | 'tcg'> {
  if (accelerator !== 'auto') return accelerator
  return provenAccelerator(architecture, kernel, undefined, () => {})
}

function planOptionsOf(options: RehearseOptions): PlanOptions {
  const {
    from: _from,
    init: _init,
    expect: _expect,
    withInitrdInit: _with,
    count: _count,
    lockdown: _lockdown,
    memory: _memory,
    cpus: _cpus,
    timeout: _timeout,
    accelerator: _accelerator,
    qemuArguments: _arguments,
    rootImage: _image,
    keep: _keep,
    onPhase: _phase,
    onConsole: _console,
    ...planned
  } = options
  // This machine's policy is another question: the plan shows its verdict, and another kernel loads it here.
  return { ...planned, tryAnyway: true }
}

function unsupported(summary: string): KexecError {
  return new KexecError(summary, {
    reason: 'unsupported-platform',
    hint: 'Rehearse on an x86_64 or arm64 machine, of the architecture of the kernel: its Node runs in the guest.',
    refused: true,
  })
}
