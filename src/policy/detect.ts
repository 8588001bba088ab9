import { machine } from 'node:os'
import { isEfi } from '../system/efi-variables.ts'
import { STATUS } from '../system/process-status.ts'
import { System } from '../system/system.ts'
import { readIma } from './ima/state.ts'
import { readFirmwareKeys } from './keys/firmware-keys.ts'
import { readKeyrings } from './keys/keyrings.ts'
import { readSecureBoot } from './keys/secure-boot.ts'
import { type Culprit, DISABLED, LIMIT, whoHasSet } from './limits/switches.ts'
import { modeOfFileLoad, modeOfKexecLoad } from './modes.ts'
import { findObstacles } from './obstacles.ts'
import type { KexecPolicy, LoadLimits } from './policy.ts'
import { readConfinement } from './process/confinement.ts'
import { type Privileges, readPrivileges, USER_IDS } from './process/privileges.ts'
import { readSignatureCheck } from './signature-check.ts'
import { readConfiguration } from './survey/configuration.ts'
import type { Known } from './survey/known.ts'
import { readLockdown } from './survey/lockdown.ts'
import { readContainer, readHypervisor } from './survey/surroundings.ts'
import { Survey } from './survey/survey.ts'

/**
 * Reads everything that decides whether the running kernel loads a kernel. Changes nothing, uses up no load, and needs
 * no privilege; `unread` lists the files that could not be read, and the facts that root would see. No file contents
 * make it fail.
 * @param options.system a directory in place of the running machine: then only its files' facts are known
 */
export function detectPolicy({ system = new System() }: { readonly system?: System } = {}): KexecPolicy {
  const survey = new Survey(system)
  const release = system.runningRelease() ?? null
  const configuration = readConfiguration(survey, release)
  const named = system.readText('/proc/sys/kernel/arch')?.trim()
  const architecture = configuration.architecture ?? named ?? (system.isLive ? machine() : null)
  const { enabled: secureBoot, setupMode } = readSecureBoot(survey)
  const lockdown = readLockdown(survey, configuration)
  const ima = readIma(survey, { configuration, secureBoot, commandLine: system.runningCommandLine() ?? null })
  const signature = readSignatureCheck(survey, { configuration, architecture, release, lockdown, secureBoot, ima })
  const { limits, core, remedy } = readLimits(survey)
  const facts = { configuration, core, limits, remedy, lockdown, secureBoot, signature, ima }
  const kexecFileLoad = modeOfFileLoad(facts)
  const hypervisor = readHypervisor(survey)
  return {
    mode: kexecFileLoad.mode,
    kernel: { release, architecture },
    kexecFileLoad,
    kexecLoad: modeOfKexecLoad(facts),
    lockdown,
    secureBoot,
    setupMode,
    signature,
    ima,
    limits,
    ...readProcess(survey),
    confinement: readConfinement(survey),
    container: readContainer(survey),
    hypervisor,
    obstacles: findObstacles({ system, architecture, release, configuration, hypervisor, reasons: survey.reasons }),
    efi: isEfi(system) ?? null,
    keyrings: readKeyrings(survey),
    firmware: readFirmwareKeys(survey),
    reasons: survey.reasons,
    unread: survey.unread,
  }
}

/** The switches, and whether the kernel has kexec: they exist when it has (CONFIG_KEXEC_CORE). */
function readLimits(survey: Survey): { limits: LoadLimits; core: Known; remedy: string | null } {
  const adds = 'whether loading is allowed'
  const disabled = survey.text(DISABLED, adds)
  const isThere = survey.system.exists(DISABLED)
  const core = isThere ? true : survey.system.stat('/proc/sys/kernel') === undefined ? null : false
  if (core === false) survey.note('limits', 'the running kernel has no kexec', DISABLED, 'absent')
  if (disabled === '0' || disabled === '1') {
    survey.note(
      'limits',
      disabled === '1' ? 'loading is switched off' : 'loading is not switched off',
      DISABLED,
      disabled,
    )
  }
  const culprit = disabled === '1' ? whoHasSet(survey.system, DISABLED) : null
  noteCulprit(survey, culprit)
  const limit = (path: string, what: string) => {
    const text = survey.text(path, adds)
    if (text === undefined || !/^-?\d+$/.test(text)) return null
    const left = Number(text) < 0 ? 'any number of' : text
    survey.note('limits', `${left} loads of ${what} are still allowed`, path, text)
    return Number(text) < 0 ? null : Number(text)
  }
  const limits = {
    disabled: disabled === '1' ? true : disabled === '0' || core === false ? false : null,
    reboot: limit(LIMIT.normal, 'kernels'),
    panic: limit(LIMIT.panic, 'crash kernels'),
  }
  const used = limits.reboot === 0 ? whoHasSet(survey.system, LIMIT.normal) : null
  noteCulprit(survey, used)
  // A limit that loads have used up needs no search for the source.
  const remedy = culprit?.remedy ?? (used !== null && used.settings.length > 0 ? used.remedy : null)
  return { limits, core, remedy }
}

function noteCulprit(survey: Survey, culprit: Culprit | null): void {
  for (const { source, text } of culprit?.settings ?? []) survey.note('limits', 'it is set at boot', source, text)
}

function readProcess(survey: Survey): Pick<KexecPolicy, 'capability' | 'namespaces' | 'seccomp' | 'uid'> {
  const privileges = readPrivileges(survey.system)
  survey.text(STATUS, 'what this process may do')
  survey.text(USER_IDS, 'whether this process is in the initial user namespace')
  const value = (source: string) => privileges.evidence.find((each) => each.source === source)?.value
  const capabilities = value('/proc/self/status CapEff')
  const user = value('/proc/self/ns/user') ?? value(USER_IDS)
  const pid = value('/proc/self/ns/pid')
  noteProcess(survey, privileges, { capabilities, user, pid })
  return {
    capability: capabilities === undefined ? null : privileges.capable,
    namespaces: {
      user: user === undefined ? null : privileges.initialUserNamespace,
      pid: pid === undefined ? null : privileges.initialPidNamespace,
    },
    seccomp: capabilities === undefined ? null : privileges.seccomp,
    uid: privileges.uid,
  }
}

interface ProcessValues {
  readonly capabilities: string | undefined
  readonly user: string | undefined
  readonly pid: string | undefined
}

function noteProcess(survey: Survey, privileges: Privileges, { capabilities, user, pid }: ProcessValues): void {
  const note = (text: string, source: string, value: string | undefined) => {
    if (value !== undefined) survey.note('process', text, source, value)
  }
  const { capable, initialUserNamespace, initialPidNamespace, seccomp } = privileges
  note(`this process ${capable ? 'has' : 'does not have'} CAP_SYS_BOOT`, '/proc/self/status CapEff', capabilities)
  if (!initialUserNamespace) note('this process is in another user namespace', '/proc/self/ns/user', user)
  if (!initialPidNamespace)
    note('this process is in a child pid namespace: it can load, but not reboot', '/proc/self/ns/pid', pid)
  if (seccomp === 2)
    note('a seccomp filter is active on this process; its rules cannot be read', '/proc/self/status Seccomp', '2')
}
