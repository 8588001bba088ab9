import { lastParameter } from '../../cmdline/look-up.ts'
import { commandLineBytes } from '../../cmdline/parse.ts'
import type { Evidence, KexecError, Reason } from '../../errors.ts'
import type { LoadPlan } from '../../plan/load-plan.ts'
import type { WarningCode } from '../../plan/model/codes.ts'
import type { System } from '../../system/system.ts'
import { formatBytes } from '../../text.ts'
import type { Finding, Subject } from '../examination/check.ts'
import { type Examination, planOf } from '../examination/examination.ts'
import { sentence } from '../examination/sentence.ts'

type Id = 'boot-entries' | 'default-entry' | 'initrd' | 'command-line'

/** The entries that the machine could boot, and the one that a bare `load` would take. */
export const entries: Subject<Id> = {
  name: 'entries',
  ids: ['boot-entries', 'default-entry', 'initrd', 'command-line'],
  needsMachine: false,
  examine: (examination) => {
    const plan = planOf(examination)
    return [
      bootEntries(examination),
      plan === undefined ? noPlan(examination.plan as KexecError, examination) : defaultEntry(plan, examination),
      ...(plan === undefined ? [] : [initrd(plan, examination), commandLine(plan, examination.system)]),
    ]
  },
}

function bootEntries({ menu: { entries, loaders, ...menu } }: Examination): Finding<Id> {
  const id = 'boot-entries'
  const problems = menu.problems.map(({ text }) => text)
  const evidence = loaders.map(({ config, source }) => ({ source: config, value: source }))
  const bootable = entries.filter(({ kernel }) => kernel !== null)
  if (bootable.length === 0) {
    const summary = 'No kernel was found in /boot, /usr/lib/modules or the menu of a boot loader.'
    const remedy = 'Install a kernel, or mount /boot; or name a file: linux-kexec load FILE --reuse-cmdline'
    return { id, status: 'problem', summary, detail: problems, evidence, remedy }
  }
  const inCharge = loaders.find((loader) => loader.inCharge)
  const from = inCharge === undefined ? '' : `; menu: ${inCharge.config}`
  const count = `${bootable.length} ${bootable.length === 1 ? 'kernel' : 'kernels'} to boot${from}.`
  if (problems.length === 0) return { id, status: 'ok', summary: count, evidence }
  return {
    id,
    status: 'warning',
    summary: problems[0] as string,
    detail: [count, ...problems.slice(1)],
    evidence,
    remedy: LIST,
  }
}

const LIST = 'linux-kexec list --long'

/** Refusals that the checks of the kernel, its policy and the memory report. */
const ofMachine = new Set<Reason>([
  'no-kexec-support',
  'kexec-disabled',
  'load-limit',
  'lockdown',
  'signature-rejected',
  'ima-appraisal',
  'no-memory',
])

const ofInitrd = new Set<Reason>(['not-an-initrd', 'no-initrd', 'initrd-too-large'])
const ofCommandLine = new Set<Reason>(['no-command-line', 'cmdline-too-long'])

/** Warnings of a plan that other checks report, with their remedy. */
const saidElsewhere = new Set<WarningCode>([
  // A deliberate choice. A kernel with problems belongs to the checks of its parts.
  'newer-passed-over',
  'no-capability',
  'not-init-user-namespace',
  'child-pid-namespace',
  'verdict-unknown',
  'memory-short',
  'no-modules',
  'no-initrd',
])

function noPlan(error: KexecError, { menu }: Examination): Finding<Id> {
  if (menu.entries.length === 0)
    return { id: 'default-entry', status: 'unknown', summary: 'No boot entry was found, so none is the default.' }
  const { summary, path, hint, evidence } = error
  const where = path === undefined ? '' : ` (${path})`
  return {
    id: 'default-entry',
    status: 'problem',
    summary: sentence(`${summary}${where}`),
    evidence,
    remedy: hint ?? LIST,
  }
}

function defaultEntry(plan: LoadPlan, { menu }: Examination): Finding<Id> {
  const id = 'default-entry'
  const { kernel, image, decisions } = plan
  const refusals = plan.refusals.filter(
    ({ reason, path }) =>
      !ofMachine.has(reason) && !ofInitrd.has(reason) && !ofCommandLine.has(reason) && !isInitrd(plan, path),
  )
  if (refusals.length > 0) return refusedBy(id, refusals)
  const entry = menu.entries.find((each) => each.id === plan.entry)
  const evidence = decisions
    .filter(({ subject }) => subject === 'kernel')
    .map(({ choice, reason }) => ({ source: choice, value: reason }))
  const name = image.version ?? kernel.path
  const chosen = entry?.isDefault ? `${name}, the default.` : `No default; the newest is ${name}.`
  const stated = new Set(menu.problems.map(({ text }) => text))
  const warnings = plan.warnings.filter(({ code, text }) => !stated.has(text) && !saidElsewhere.has(code))
  const [first, ...more] = warnings.map(({ text }) => sentence(text))
  if (first === undefined) return { id, status: 'ok', summary: sentence(chosen), evidence }
  return { id, status: 'warning', summary: first, detail: [chosen, ...more], evidence, remedy: 'linux-kexec plan' }
}

/** An initrd that cannot be opened is refused for the same reason as any file. */
function isInitrd(plan: LoadPlan, path: string | undefined): boolean {
  return path !== undefined && plan.toJSON().initrds.includes(path)
}

function initrd(plan: LoadPlan, { menu }: Examination): Finding<Id> {
  const id = 'initrd'
  const { initrds } = plan
  const refusals = plan.refusals.filter(({ reason, path }) => ofInitrd.has(reason) || isInitrd(plan, path))
  if (refusals.length > 0) return refusedBy(id, refusals)
  const evidence = initrds.map(({ path, size }) => ({ source: path, value: formatBytes(size) }))
  if (initrds.length === 0) {
    const entry = menu.entries.find((each) => each.id === plan.entry)
    // The boot loader also boots it without.
    if (entry?.commandLine != null)
      return {
        id,
        status: 'ok',
        summary: 'The boot loader uses no initrd for this entry; neither does linux-kexec.',
        evidence,
      }
    const summary = 'No initrd was found for this kernel: it must find the root file system without modules.'
    const remedy =
      'update-initramfs -c -k VERSION, dracut -f or mkinitcpio -P, unless the kernel has all drivers built in'
    return { id, status: 'warning', summary, evidence, remedy }
  }
  const size = formatBytes(initrds.reduce((sum, each) => sum + each.size, 0))
  const summary = initrds.length === 1 ? `One initrd of ${size}.` : `${initrds.length} initrds of ${size} together.`
  return { id, status: 'ok', summary, evidence }
}

function commandLine(plan: LoadPlan, system: System): Finding<Id> {
  const id = 'command-line'
  const refusals = plan.refusals.filter(({ reason }) => ofCommandLine.has(reason))
  if (refusals.length > 0) return refusedBy(id, refusals)
  const reason = plan.decisions.find(({ subject }) => subject === 'command line')?.reason ?? ''
  const evidence = [{ source: reason, value: plan.commandLine }]
  const missing = missingRoot(plan.commandLine, system)
  if (missing !== undefined) {
    const summary = `The command line names ${missing.word}, but there is no such file system here.`
    const remedy = `blkid, and correct root= in the boot loader's configuration`
    return { id, status: 'warning', summary, evidence: [...evidence, missing.evidence], remedy }
  }
  const most = plan.image.maxCommandLine
  const length = `the command line has ${commandLineBytes(plan.commandLine)}${most === null ? '' : ` of at most ${most}`} bytes`
  return { id, status: 'ok', summary: sentence(length), evidence }
}

/** The kernel and initrds find the root file system by its links in /dev/disk, where udev makes them. */
function missingRoot(text: string, system: System): { word: string; evidence: Evidence } | undefined {
  const root = lastParameter(text, 'root')
  const [, kind, name] = /^(UUID|PARTUUID|LABEL|PARTLABEL)=(.+)$/.exec(root?.value ?? '') ?? []
  if (kind === undefined || name === undefined || name.includes('/')) return undefined
  const directory = `/dev/disk/by-${kind.toLowerCase()}`
  // An empty directory says nothing: udev may not run. Labels have other characters escaped.
  const names = system.list(directory)
  if (names.length === 0 || !/^[\w.-]+$/.test(name)) return undefined
  if (names.some((each) => each.toLowerCase() === name.toLowerCase())) return undefined
  return { word: `root=${kind}=${name}`, evidence: { source: directory, value: names.join(' ') } }
}

function refusedBy(id: Id, refusals: readonly KexecError[]): Finding<Id> {
  const [first, ...more] = refusals as readonly [KexecError, ...KexecError[]]
  const sentenceOf = ({ summary, path }: KexecError) => sentence(`${path === undefined ? '' : `${path}: `}${summary}`)
  return {
    id,
    status: 'problem',
    summary: sentenceOf(first),
    detail: more.map(sentenceOf),
    evidence: refusals.flatMap(({ evidence }) => evidence),
    remedy: first.hint ?? 'linux-kexec plan',
  }
}
