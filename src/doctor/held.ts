import { parseCommandLine } from '../cmdline/index.ts'
import { formatBytes } from '../plan/text.ts'
import { loadedImages } from '../state/loaded-image.ts'
import type { Finding, Subject } from './check.ts'
import { type Examination, planOf, readEvidence } from './examination.ts'

/** What the running kernel holds already: a kernel, a crash kernel. */
export const held: Subject<'loaded-kernel' | 'crash-kernel'> = {
  name: 'handover',
  ids: ['loaded-kernel', 'crash-kernel'],
  needsMachine: true,
  examine: (examination) => [loadedKernel(examination), crashKernel(examination)],
}

const RELOAD = 'linux-kexec load'

function loadedKernel({ held, system }: Examination): Finding<'loaded-kernel'> {
  const id = 'loaded-kernel'
  const evidence = readEvidence(system, '/sys/kernel/kexec_loaded', '/sys/kernel/kexec/loaded')
  if (!held.supported) return { id, status: 'unknown', summary: 'It cannot be read (/sys/kernel/kexec_loaded).' }
  if (!held.loaded) return { id, status: 'ok', summary: 'None is loaded yet.', evidence }
  const image = loadedImages({ system }).kernel
  const [stale] = image.stale
  const seen = { id, evidence: [...evidence, ...image.evidence] } as const
  if (image.state === 'replaced') {
    const summary = 'One is loaded that is not ours: someone else has loaded it over the one that linux-kexec loaded.'
    return { ...seen, status: 'warning', summary, remedy: RELOAD }
  }
  if (stale !== undefined) {
    const summary = `One is loaded that is older than its files: ${stale.path} ${stale.change}.`
    return { ...seen, status: 'warning', summary, remedy: RELOAD }
  }
  const which = image.record?.version ?? undefined
  return { ...seen, status: 'ok', summary: `${which ?? 'One'} is loaded; a new load takes its place.` }
}

function crashKernel(examination: Examination): Finding<'crash-kernel'> {
  const id = 'crash-kernel'
  const { held, system } = examination
  const files = ['kexec_crash_loaded', 'kexec_crash_size'].map((name) => `/sys/kernel/${name}`)
  const evidence = readEvidence(system, ...files)
  const here = held.crashSize ? `, where this one has ${formatBytes(held.crashSize)}` : ''
  if (!held.supported) return { id, status: 'unknown', summary: 'It cannot be read (/sys/kernel/kexec_crash_loaded).' }
  if (!held.crashLoaded && !held.crashSize)
    return { id, status: 'ok', summary: 'None is reserved or loaded.', evidence }
  const plan = planOf(examination)
  const commandLine = parseCommandLine(plan?.commandLine ?? '')
  if (plan !== undefined && !commandLine.parameters.some(({ key }) => key === 'crashkernel')) {
    const summary = `The new kernel will have none${here}: its command line has no crashkernel=.`
    const remedy = 'linux-kexec load --append crashkernel=SIZE, as /proc/cmdline has it, or set it in the boot loader'
    return { id, status: 'warning', summary, evidence, remedy }
  }
  const state = held.crashLoaded
    ? 'Loaded; it is lost, and to be loaded anew after'
    : 'Memory is reserved, none is loaded'
  return { id, status: 'ok', summary: `${state}.`, evidence }
}
