import { hasParameter } from '../../cmdline/look-up.ts'
import { hotplugAdvice, readCrashHotplug } from '../../crash-kernel/hotplug.ts'
import { explainNotReserved } from '../../crash-kernel/not-reserved.ts'
import { howToReserve, recommendReservation } from '../../crash-kernel/reservation.ts'
import type { Evidence } from '../../errors.ts'
import { afterLoad } from '../../policy/verdict/after-load.ts'
import { loadedImages } from '../../state/loaded-image.ts'
import { formatBytes } from '../../text.ts'
import type { Finding, Subject } from '../examination/check.ts'
import { type Examination, planOf, readEvidence } from '../examination/examination.ts'

/** The images that the running kernel already holds: a kernel, a crash kernel. */
export const held: Subject<'loaded-kernel' | 'crash-kernel'> = {
  name: 'handover',
  ids: ['loaded-kernel', 'crash-kernel'],
  needsMachine: true,
  examine: (examination) => [loadedKernel(examination), crashKernel(examination)],
}

const RELOAD = 'linux-kexec load'

function loadedKernel({ held, system, policy }: Examination): Finding<'loaded-kernel'> {
  const id = 'loaded-kernel'
  const evidence = readEvidence(system, '/sys/kernel/kexec_loaded', '/sys/kernel/kexec/loaded')
  if (!held.supported || held.loaded === null)
    return {
      id,
      status: 'unknown',
      summary: 'Whether a kernel is loaded is unknown: /sys/kernel/kexec_loaded cannot be read.',
    }
  if (!held.loaded) return { id, status: 'ok', summary: 'No kernel is loaded yet.', evidence }
  const image = loadedImages({ system }).kernel
  const [stale] = image.stale
  const seen = { id, evidence: [...evidence, ...image.evidence] } as const
  if (image.state === 'replaced') {
    const summary = 'The loaded kernel is not the one that linux-kexec loaded: another program has replaced it.'
    return { ...seen, status: 'warning', summary, remedy: RELOAD }
  }
  if (stale !== undefined) {
    const summary = `The loaded kernel is older than its files: ${stale.path} ${stale.change}.`
    return { ...seen, status: 'warning', summary, remedy: RELOAD }
  }
  const which = image.record?.version ?? undefined
  const shut = afterLoad(policy)
  if (shut !== null) return { ...seen, status: 'ok', summary: `${which ?? 'A kernel'} is loaded. ${shut}` }
  return { ...seen, status: 'ok', summary: `${which ?? 'A kernel'} is loaded; a new load replaces it.` }
}

function crashKernel(examination: Examination): Finding<'crash-kernel'> {
  const id = 'crash-kernel'
  const { held, system } = examination
  const files = ['kexec_crash_loaded', 'kexec_crash_size'].map((name) => `/sys/kernel/${name}`)
  const evidence = readEvidence(system, ...files)
  const here = held.crashSize ? `, where the running one has ${formatBytes(held.crashSize)}` : ''
  if (!held.supported || held.crashLoaded === null)
    return {
      id,
      status: 'unknown',
      summary: 'Whether a crash kernel is loaded is unknown: /sys/kernel/kexec_crash_loaded cannot be read.',
    }
  if (!held.crashLoaded && !held.crashSize) return notReserved(examination, evidence)
  const plan = planOf(examination)
  if (plan !== undefined && !hasParameter(plan.commandLine, 'crashkernel')) {
    const summary = `The new kernel will reserve no memory for a crash kernel${here}: its command line has no crashkernel=.`
    const remedy = 'linux-kexec load --append crashkernel=SIZE, as /proc/cmdline has it, or set it in the boot loader'
    return { id, status: 'warning', summary, evidence, remedy }
  }
  const advice = hotplugAdvice(readCrashHotplug(system))
  if (held.crashLoaded) {
    const summary = 'A crash kernel is loaded. A kexec loses it: load it again afterwards.'
    return { id, status: 'ok', summary, detail: advice === null ? [] : [advice], evidence }
  }
  const detail = ['No dump is written when this kernel panics: `linux-kexec load --panic` loads a crash kernel.']
  return { id, status: 'ok', summary: 'Memory is reserved for a crash kernel, but none is loaded.', detail, evidence }
}

/** Nobody needs a crash kernel, except those who asked for the memory. */
function notReserved(examination: Examination, evidence: readonly Evidence[]): Finding<'crash-kernel'> {
  const id = 'crash-kernel'
  const { system, policy, menu } = examination
  const given = explainNotReserved(system)
  if (given === undefined)
    return { id, status: 'ok', summary: 'No crash kernel, and no memory is reserved for one.', evidence }
  const { raw } = given.parameter
  const running = menu.entries.find(({ isRunning }) => isRunning)
  const recommended = recommendReservation(system, policy.kernel.architecture, null)
  const known = given.cause === null ? {} : { detail: [given.cause] }
  return {
    id,
    status: 'warning',
    summary: `No memory is reserved, although ${raw} is on the command line.`,
    ...known,
    evidence: [...evidence, { source: '/proc/cmdline', value: raw }],
    remedy:
      given.cause === null
        ? 'dmesg | grep -i crash, which shows why'
        : howToReserve(system, recommended, running?.source ?? null, raw),
  }
}
