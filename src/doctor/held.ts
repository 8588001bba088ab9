import { parseCommandLine } from '../cmdline/index.ts'
import { hotplugAdvice, readCrashHotplug } from '../crash-kernel/hotplug.ts'
import type { Evidence } from '../errors.ts'
import { formatBytes } from '../plan/text.ts'
import type { System } from '../system/system.ts'
import type { Finding, Subject } from './check.ts'
import { type Examination, planOf, readEvidence } from './examination.ts'

/** What the running kernel holds already: a kernel, a crash kernel. */
export const held: Subject<'loaded-kernel' | 'crash-kernel'> = {
  name: 'handover',
  ids: ['loaded-kernel', 'crash-kernel'],
  needsMachine: true,
  examine: (examination) => [loadedKernel(examination), crashKernel(examination)],
}

function loadedKernel({ held, system }: Examination): Finding<'loaded-kernel'> {
  const id = 'loaded-kernel'
  const evidence = readEvidence(system, '/sys/kernel/kexec_loaded', '/sys/kernel/kexec/loaded')
  if (!held.supported) return { id, status: 'unknown', summary: 'It cannot be read (/sys/kernel/kexec_loaded).' }
  if (!held.loaded) return { id, status: 'ok', summary: 'None is loaded yet.', evidence }
  // The kernel tells neither which one it is nor who loaded it.
  return { id, status: 'ok', summary: 'One is loaded; a new load takes its place.', evidence }
}

function crashKernel(examination: Examination): Finding<'crash-kernel'> {
  const id = 'crash-kernel'
  const { held, system } = examination
  const files = ['kexec_crash_loaded', 'kexec_crash_size'].map((name) => `/sys/kernel/${name}`)
  const evidence = readEvidence(system, ...files)
  const here = held.crashSize ? `, where this one has ${formatBytes(held.crashSize)}` : ''
  if (!held.supported) return { id, status: 'unknown', summary: 'It cannot be read (/sys/kernel/kexec_crash_loaded).' }
  if (!held.crashLoaded && !held.crashSize) return notReserved(system, evidence)
  const plan = planOf(examination)
  const commandLine = parseCommandLine(plan?.commandLine ?? '')
  if (plan !== undefined && !commandLine.parameters.some(({ key }) => key === 'crashkernel')) {
    const summary = `The new kernel will have none${here}: its command line has no crashkernel=.`
    const remedy = 'linux-kexec load --append crashkernel=SIZE, as /proc/cmdline has it, or set it in the boot loader'
    return { id, status: 'warning', summary, evidence, remedy }
  }
  const advice = hotplugAdvice(readCrashHotplug(system))
  if (held.crashLoaded) {
    const summary = 'Loaded; it is lost, and to be loaded anew after.'
    return { id, status: 'ok', summary, detail: advice === null ? [] : [advice], evidence }
  }
  const detail = ['Nothing is dumped when this kernel panics: `linux-kexec load --panic` loads one.']
  return { id, status: 'ok', summary: 'Memory is reserved, none is loaded.', detail, evidence }
}

/** Nobody needs a crash kernel; but whoever asked for the memory does. */
function notReserved(system: System, evidence: readonly Evidence[]): Finding<'crash-kernel'> {
  const id = 'crash-kernel'
  const commandLine = parseCommandLine(system.runningCommandLine() ?? '')
  const asked = commandLine.parameters.find(({ key }) => key === 'crashkernel')
  if (asked === undefined) return { id, status: 'ok', summary: 'None is reserved or loaded.', evidence }
  const summary = `No memory is reserved, although ${asked.raw} is on the command line.`
  const remedy = 'dmesg | grep -i crash: it is too much for this memory, or out of its range'
  return {
    id,
    status: 'warning',
    summary,
    evidence: [...evidence, { source: '/proc/cmdline', value: asked.raw }],
    remedy,
  }
}
