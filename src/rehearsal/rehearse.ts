import { mkdir, mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { heed } from '../abort.ts'
import { hasParameter } from '../cmdline/look-up.ts'
import { parseCommandLine } from '../cmdline/parse.ts'
import { KexecError } from '../errors.ts'
import { flagName } from '../option-name.ts'
import type { LoadPlan } from '../plan/load-plan.ts'
import type { PlanOptions } from '../plan/model/options.ts'
import { extendedPlan, plan as planFor } from '../plan/plan.ts'
import { unpackedKernel } from '../vm/guest/unpacked-kernel.ts'
import type { Architecture } from '../vm/machine/architectures.ts'
import { provenAccelerator } from '../vm/provision/accelerator.ts'
import { causeOf } from './cause.ts'
import { asKexecError } from './failure.ts'
import { type CarriedPlan, commandsFor, writeLoadingInitrd } from './guest/loading-initrd.ts'
import { chooseLoadingKernel, type LoadingKernel } from './guest/loading-kernel.ts'
import { type PlanFile, writePlanFiles } from './guest/plan-files.ts'
import { SHELL, shellFor } from './guest/shell.ts'
import { initOverlay, initParameter, newWord } from './init/init.ts'
import { memoryFor } from './machine/memory.ts'
import { ownMachine } from './machine/own-machine.ts'
import { type MachineRecord, runRehearsal } from './machine/rehearsal-machine.ts'
import type { RehearseOptions } from './model/options.ts'
import type { GuestReport, RehearsalOutcome, RehearsalRecord } from './model/rehearsal.ts'
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
/** QCOW_MAGIC, block/qcow2.h of QEMU. */
const QCOW2 = Buffer.from('QFI\xfb', 'latin1')

/**
 * Carries out a plan in QEMU: another kernel loads it, with our engine, and starts it. Nothing of this machine is changed.
 * @throws KexecError when there is nothing to plan for, or this machine cannot rehearse; ProvisionError without QEMU
 */
export async function rehearse(options: RehearseOptions): Promise<Rehearsal> {
  const { signal } = options
  heed(signal)
  const machine = ownMachine()
  if (machine === undefined) throw unsupported(`a rehearsal cannot run on ${process.arch} machines`)
  const disk = await rootDisk(options.rootImage)
  using bare = await planFor(planOptionsOf(options))
  const from = await chooseLoadingKernel(options.from, bare, options.root)
  const common = { plan: bare.toJSON(), from }
  const refusal = bare.refusals[0] ?? damageOf(bare, options)
  if (refusal !== undefined) return { ...common, ...refused(refusal) }
  const { architecture, name } = machine
  const { architecture: own } = bare.image
  if (own !== name)
    throw unsupported(`a rehearsal cannot start kernels of ${own ?? 'an unknown architecture'} on this machine`)
  const directory = await makeDirectory(options.keep)
  let isKept = false
  try {
    const ended = await carryOut({ options, bare, from, architecture, name, disk, directory })
    // Without a machine there is nothing to keep.
    isKept = options.keep !== undefined && ended.accelerator !== null
    return { ...common, ...ended }
  } catch (error) {
    throw asKexecError(error)
  } finally {
    if (!isKept) await rm(directory, { recursive: true, force: true })
  }
}

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

async function makeDirectory(keep: string | undefined): Promise<string> {
  if (keep === undefined) return mkdtemp(join(tmpdir(), 'linux-kexec-rehearsal-'))
  try {
    await mkdir(keep, { mode: 0o700 })
  } catch (cause) {
    const isThere = (cause as NodeJS.ErrnoException).code === 'EEXIST'
    throw new KexecError(
      isThere
        ? 'the directory to keep the files in is there already'
        : 'the directory to keep the files in cannot be made',
      {
        reason: isThere ? 'invalid-argument' : 'io',
        path: keep,
        hint: 'Name a new directory, in one that is there.',
        refused: true,
        cause,
      },
    )
  }
  return keep
}

interface Work {
  readonly options: RehearseOptions
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
  const { options, bare, architecture, name, disk, directory, from } = work
  const kernel = await unpackedKernel(from.path)
  const accelerator = await chooseAccelerator(options, architecture, kernel)
  const words = { loading: newWord(), loaded: newWord() }
  const additions = await additionsFor(work, accelerator, words.loaded)
  // Not planned anew: a stream can be read only once, and the receipt must be of the very files that are rehearsed.
  using plan = await extendedPlan(bare, { append: additions.parameters, overlay: additions.overlay })
  const added = [...additions.parameters, ...additions.overlay.flatMap(({ destination }) => destination ?? [])]
  const common = { added, accelerator }
  const [refusal] = plan.refusals
  if (refusal !== undefined) return { ...refused(refusal), added }
  const files = await writePlanFiles(plan, directory, options.signal)
  const carried: CarriedPlan = {
    kernel: files.kernel.path,
    initrd: files.initrd?.path ?? null,
    commandLine: plan.commandLine,
    engine: plan.engine,
    fast: options.fast ?? false,
    tryAnyway: options.tryAnyway ?? false,
  }
  const initrd = join(directory, 'loading-initrd')
  const commands = commandsFor(carried).map((each) => ({ output: 'report' as const, words: each }))
  const port = architecture.control
  const init = initOverlay(name, { word: words.loading, port, commands })
  await writeLoadingInitrd(initrd, carried, init)
  const record = await runRehearsal({
    architecture,
    words,
    timeout: options.timeout ?? TIMEOUT,
    expect: options.expect ?? null,
    signal: options.signal,
    onPhase: options.onPhase,
    onConsole: options.onConsole,
    qemu: {
      accelerator,
      memory: options.memory ?? memoryFor((await stat(initrd)).size, files.kernel.size + (files.initrd?.size ?? 0)),
      cpus: options.cpus ?? 1,
      direct: { kernel, initrd, commandLine: loadingCommandLine(architecture, accelerator) },
      extra: [...disk, ...(options.qemuArguments ?? [])],
    },
  })
  if (options.keep !== undefined) await writeFile(join(directory, 'console.log'), record.console)
  const ended = concluded(record, plan, files.initrd, architecture)
  const receipt = ended.outcome.kind === 'passed' ? await leaveReceipt({ ...work, accelerator }, ended.phases) : null
  return { ...common, ...ended, receipt }
}

/** What the rehearsal adds to the plan so that it sees how far the new kernel came. */
async function additionsFor({ options, bare, architecture, name }: Work, accelerator: 'kvm' | 'tcg', word: string) {
  const ownConsole = hasParameter(parseCommandLine(bare.commandLine), 'console')
  const parameters = [
    // A kernel that has no console= prints to a screen, and there is none.
    ...(ownConsole ? [] : [`console=${architecture.console}`]),
    ...(accelerator === 'tcg' ? (architecture.parameters ?? []) : []),
    ...(options.expect === undefined ? [initParameter, 'retain_initrd'] : []),
  ]
  if (options.expect !== undefined) return { parameters, overlay: [] }
  const { files, commands } = await commandInShell(options, bare)
  const overlay = initOverlay(name, { word, port: architecture.control, commands })
  return { parameters, overlay: [...overlay, ...files] }
}

/** The command of `init`, and the shell that it needs. */
async function commandInShell({ init, signal }: RehearseOptions, bare: LoadPlan) {
  if (init === undefined) return { files: [], commands: [] }
  const { files, preparations } = await shellFor(await bare.initrdTree(signal))
  const commands = [...preparations, [SHELL, '-c', init]].map((words) => ({ output: 'console' as const, words }))
  return { files, commands }
}

function loadingCommandLine(architecture: Architecture, accelerator: 'kvm' | 'tcg'): string {
  const emulated = accelerator === 'tcg' ? (architecture.parameters ?? []) : []
  return [`console=${architecture.console}`, 'panic=-1', 'loglevel=6', 'nokaslr', initParameter, ...emulated].join(' ')
}

/** Written to in memory only. */
async function rootDisk(image: string | undefined): Promise<string[]> {
  if (image === undefined) return []
  const format = (await headOf(image)).equals(QCOW2) ? 'qcow2' : 'raw'
  return ['-drive', `if=virtio,format=${format},snapshot=on,file=${image.replaceAll(',', ',,')}`]
}

async function headOf(image: string): Promise<Buffer> {
  try {
    const file = await open(image)
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0).finally(() => file.close())
    return buffer
  } catch (cause) {
    const { code = 'EIO' } = cause as NodeJS.ErrnoException
    throw new KexecError('the root image cannot be read', {
      reason: code === 'ENOENT' ? 'not-found' : 'not-readable',
      code,
      path: image,
      hint: 'Name a disk image, raw or qcow2, that this user may read.',
      refused: true,
      cause,
    })
  }
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

function refused(error: KexecError): RehearsalRecord & Pick<Rehearsal, 'added' | 'accelerator' | 'receipt'> {
  const { reason, summary: message, hint, evidence } = error
  const outcome: RehearsalOutcome = {
    kind: 'refused',
    error: { reason, message, evidence, ...(hint === undefined ? {} : { hint }) },
  }
  const nothing = { report: null, phases: {}, console: '', added: [], accelerator: null, receipt: null }
  return { ...nothing, outcome, cause: hint ?? null }
}

function concluded(
  record: MachineRecord,
  plan: LoadPlan,
  initrd: PlanFile | null,
  architecture: Architecture,
): RehearsalRecord {
  const differences = record.report === null ? [] : differencesOf(record.report, plan.commandLine, initrd)
  const outcome: RehearsalOutcome =
    record.outcome.kind === 'passed' && differences.length > 0
      ? { kind: 'not-as-planned', differences }
      : record.outcome
  const cause = causeOf({ ...record, outcome, commandLine: plan.commandLine, initrd, port: architecture.console })
  return { ...record, outcome, cause }
}

/** The new kernel must have got what was planned. */
function differencesOf(report: GuestReport, commandLine: string, initrd: PlanFile | null): string[] {
  const seen = parseCommandLine(report.commandLine).parameters.map(({ raw }) => raw)
  const planned = parseCommandLine(commandLine).parameters.map(({ raw }) => raw)
  const isSame = seen.length === planned.length && planned.every((raw, index) => raw === seen[index])
  return [
    ...(isSame ? [] : [`its command line was '${report.commandLine}', and '${commandLine}' was planned`]),
    ...(report.initrd === null || initrd === null || isSameInitrd(report.initrd, initrd)
      ? []
      : [`its initrd had ${report.initrd.size} bytes with another checksum than the ${initrd.size} that were loaded`]),
  ]
}

function isSameInitrd(seen: { size: number; crc32: number }, { size, crc32 }: PlanFile): boolean {
  return seen.size === size && seen.crc32 === crc32
}

function unsupported(summary: string): KexecError {
  return new KexecError(summary, {
    reason: 'unsupported-platform',
    hint: 'Rehearse on an x86_64 or arm64 machine, of the architecture of the kernel.',
    refused: true,
  })
}
