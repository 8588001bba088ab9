import type { Survey } from './survey.ts'

const XEN = '/sys/hypervisor/type'
const XEN_KIND = '/sys/hypervisor/guest_type'
const XEN_VERSION = '/sys/hypervisor/version'
const XEN_CAPABILITIES = '/proc/xen/capabilities'

/** Traces of a container runtime for processes inside. */
const marks: readonly (readonly [path: string, name: string])[] = [
  ['/run/.containerenv', 'podman'],
  ['/.dockerenv', 'docker'],
]

/** The container of this process, by its runtime's traces: 'docker', 'lxc', …; null when there are none. */
export function readContainer(survey: Survey): string | null {
  const mark = marks.find(([path]) => survey.system.exists(path))
  // systemd and similar programs write down PID 1's environment: https://systemd.io/CONTAINER_INTERFACE
  const container = survey.system.readText('/run/systemd/container')?.trim()
  const environment = survey.system.readText('/proc/1/environ') ?? ''
  const variable = /(?:^|\0)container=([\w-]+)/.exec(environment)?.[1]
  const name = mark?.[1] ?? (container === undefined || !/^[\w-]{1,32}$/.test(container) ? variable : container)
  if (name === undefined) return null
  const source = mark?.[0] ?? (name === container ? '/run/systemd/container' : '/proc/1/environ')
  survey.note('container', `this is a container (${name})`, source, mark ? 'present' : name)
  return name
}

/** 'xen-dom0', 'xen-pv', 'xen-hvm', 'xen-pvh' or 'xen'; null without Xen. */
export function readHypervisor(survey: Survey): string | null {
  const type = survey.system.readText(XEN)?.trim()
  const capabilities = survey.system.readText(XEN_CAPABILITIES)?.trim()
  if (type !== 'xen' && capabilities === undefined) return null
  const xen = `Xen${versionOf(survey)}`
  if (capabilities?.includes('control_d')) {
    const text = `this is the control domain of ${xen}: the hypervisor runs below, and only it could start another kernel`
    survey.note('hypervisor', text, XEN_CAPABILITIES, capabilities)
    return 'xen-dom0'
  }
  const kind = survey.system.readText(XEN_KIND)?.trim().toLowerCase()
  const name = kind !== undefined && /^[a-z]{2,4}$/.test(kind) ? `xen-${kind}` : 'xen'
  const limits = name === 'xen-pv' ? ', which cannot start another kernel' : ''
  survey.note(
    'hypervisor',
    `this is a guest of ${xen} (${name})${limits}`,
    kind === undefined ? XEN : XEN_KIND,
    kind ?? 'xen',
  )
  return name
}

/** ' 4.17', or nothing where the hypervisor does not report it. */
function versionOf({ system }: Survey): string {
  const [major, minor] = ['major', 'minor'].map((part) => system.readText(`${XEN_VERSION}/${part}`)?.trim() ?? '')
  return /^\d{1,3}$/.test(major ?? '') && /^\d{1,3}$/.test(minor ?? '') ? ` ${major}.${minor}` : ''
}
