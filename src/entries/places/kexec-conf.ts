import { posix } from 'node:path'
import { removeParameter } from '../../cmdline/edit.ts'
import { lastParameter } from '../../cmdline/look-up.ts'
import { parseCommandLine, printCommandLine } from '../../cmdline/parse.ts'
import type { FoundEntry, Menu } from '../model/found-entry.ts'
import { problemsOf } from '../model/problem.ts'
import type { EntrySource } from '../survey/entry-source.ts'
import type { Survey } from '../survey/survey.ts'
import { type Assignments, parseAssignments } from './shell-assignments.ts'

/**
 * The kernels that the kexec services of distributions would load at a reboot: OpenRC's on Gentoo (/etc/conf.d/kexec)
 * and Debian's (/etc/default/kexec). No boot loader reads these files. A disabled one gives none.
 */
export const kexecConf: EntrySource = {
  name: 'kexec-conf',
  find: (survey) => [...openrc(survey), ...debian(survey)],
}

function menu(config: string, entry: FoundEntry, { problems }: Assignments): Menu {
  return {
    source: 'kexec-conf',
    config,
    entries: [entry],
    preset: { entry, reason: `${config} names it` },
    problems: problemsOf(
      'configuration-mistake',
      problems.map((problem) => `${config}:${problem}`),
    ),
  }
}

/**
 * Gentoo: KNAME and INITRD are below BOOTPART. Empty, they are found by the running release; `-` disables the service.
 * Empty ROOTPART and KPARAM are those of the running system.
 */
function openrc(survey: Survey): Menu[] {
  const config = '/etc/conf.d/kexec'
  const text = survey.readText(config)
  if (text === undefined) return []
  const settings = parseAssignments(text)
  const value = (name: string) => settings.values.get(name) ?? ''
  if (value('KNAME') === '-') return []
  const directory = posix.join('/', value('BOOTPART') || '/boot')
  const release = survey.system.runningRelease()
  const kernel = value('KNAME') || firstOf(directory, kernelNames(release), survey)
  if (kernel === undefined) return []
  const initrd = value('INITRD') || firstOf(directory, initrdNames(release), survey)
  const running = runningCommandLine(survey)
  const root = value('ROOTPART') === '' ? undefined : `root=${value('ROOTPART')}`
  const commandLine = openrcCommandLine(root, settings.values.get('KPARAM') || undefined, running)
  const entry: FoundEntry = {
    id: kernel,
    title: `kexec service: ${kernel}`,
    kernel: posix.join(directory, kernel),
    initrds: initrd === undefined || initrd === '-' ? [] : [posix.join(directory, initrd)],
    commandLine: commandLine ?? null,
    uncertainties: [
      ...(commandLine === undefined ? [noRunningCommandLine] : []),
      ...(value('KEXEC_OPT_ARGS') === '' ? [] : [`The service passes further options: ${value('KEXEC_OPT_ARGS')}.`]),
    ],
  }
  return [menu(config, entry, settings)]
}

const noRunningCommandLine = 'Its command line is that of the running system, which is unknown here.'

function openrcCommandLine(root: string | undefined, parameters: string | undefined, running: string | undefined) {
  if (parameters !== undefined && root !== undefined) return `${root} ${parameters}`
  if (running === undefined) return parameters
  const parsed = parseCommandLine(running)
  const runningRoot = lastParameter(parsed, 'root')?.value
  const others = parameters ?? printCommandLine(removeParameter(parsed, 'root'))
  const first = root ?? (runningRoot == null ? '' : `root=${runningRoot}`)
  return [first, others].filter((part) => part !== '').join(' ')
}

function kernelNames(release: string | undefined): string[] {
  const named =
    release === undefined
      ? []
      : ['kernel-genkernel', 'bzImage', 'vmlinuz', 'kernel'].map((name) => `${name}-${release}`)
  return [...named, 'bzImage', 'vmlinuz']
}

function initrdNames(release: string | undefined): string[] {
  if (release === undefined) return []
  return ['initramfs-genkernel-', 'initrd-', 'initrd.img-', 'initramfs-'].flatMap((name) => [
    `${name}${release}`,
    `${name}${release}.img`,
  ])
}

function firstOf(directory: string, names: readonly string[], survey: Survey): string | undefined {
  return names.find((name) => survey.volumes.files.has(posix.join(directory, name)))
}

/** Without the boot loader's own parameters. */
function runningCommandLine(survey: Survey): string | undefined {
  const running = survey.system.runningCommandLine()
  return running === undefined ? undefined : printCommandLine(removeParameter(parseCommandLine(running), 'BOOT_IMAGE'))
}

/**
 * Debian: nothing unless LOAD_KEXEC is `true`; with USE_GRUB_CONFIG it is GRUB's default, which GRUB's menu shows.
 * Files in kexec.d come after it, in the order of run-parts.
 */
function debian(survey: Survey): Menu[] {
  const config = '/etc/default/kexec'
  const directory = `${config}.d`
  const names = survey.system.list(directory).filter((name) => /^[A-Za-z0-9_-]+$/.test(name))
  const found = [config, ...names.map((name) => `${directory}/${name}`)].flatMap((path) => {
    const text = survey.readText(path)
    return text === undefined ? [] : [{ path, text }]
  })
  let settings: Assignments = { values: new Map(), problems: [] }
  const problems: string[] = []
  for (const { path, text } of found) {
    settings = parseAssignments(text, settings.values)
    problems.push(...settings.problems.map((problem) => `${path}:${problem}`))
  }
  const value = (name: string) => settings.values.get(name) ?? ''
  const kernel = value('KERNEL_IMAGE')
  if (value('LOAD_KEXEC') !== 'true' || value('USE_GRUB_CONFIG') === 'true' || kernel === '') return []
  const commandLine = value('APPEND') || runningCommandLine(survey)
  const entry: FoundEntry = {
    id: posix.basename(kernel),
    title: `kexec-tools: ${kernel}`,
    kernel: posix.join('/', kernel),
    initrds: value('INITRD') === '' ? [] : [posix.join('/', value('INITRD'))],
    commandLine: commandLine ?? null,
    uncertainties: commandLine === undefined ? [noRunningCommandLine] : [],
  }
  return [{ ...menu(config, entry, settings), problems: problemsOf('configuration-mistake', problems) }]
}
