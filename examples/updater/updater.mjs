// Updates kernel and initrd of an appliance: fetch, verify, start on trial, confirm or come back, report. README.md has the rest.
// Run as root: node updater.mjs update|after-boot [CONFIGURATION]
import { mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { confirmTrial, KexecError, plan, reboot, trialStatus } from 'linux-kexec'
import { download, fetchSmall, sha256 } from './download.mjs'
import { UpdateError } from './errors.mjs'
import { isHealthy } from './health.mjs'
import { SIGNATURE_BYTES, verifiedManifest } from './manifest.mjs'
import { readState, syncDirectoryOf, writeState } from './state.mjs'
import { reasonAgainst, verdictOf } from './verdict.mjs'

const MOST_MANIFEST = 64 * 1024

const defaults = {
  directory: '/var/lib/updater',
  deadline: 180, // seconds from the start of the new kernel
  tries: 1, // how often a version may be tried
  maxBytes: 256 * 1024 * 1024, // of kernel and initrd, each
  timeout: 1800, // seconds for all downloads
  stallAfter: 60, // seconds without a byte
  via: 'auto',
  allowGaps: false,
}

const commands = { update, 'after-boot': afterBoot }

try {
  const [name, path = '/etc/updater.json'] = process.argv.slice(2)
  if (!Object.hasOwn(commands, name)) throw new UpdateError('usage: node updater.mjs update|after-boot [CONFIGURATION]')
  await commands[name]({ ...defaults, ...JSON.parse(await readFile(path, 'utf8')) })
} catch (error) {
  show(error)
  process.exitCode = 1
}

/** Tries the published version, if it is newer and did not fail before. Does not return when its kernel is started. */
async function update(config) {
  const state = await settle(config, { wait: false })
  if (state.attempt !== null) throw new UpdateError(`version ${state.attempt.version} is still on trial`)
  const signal = AbortSignal.timeout(config.timeout * 1000)
  const manifest = await fetchManifest(config, signal)
  const reason = reasonAgainst(manifest.version, state, config)
  if (reason !== undefined) return console.log(reason)
  const [kernel, initrd] = await fetchVersion(config, manifest, signal)
  await tryVersion(config, state, manifest.version, { kernel, initrd })
}

/** At each boot, when the system is up: confirms the version on trial, or notes that it was taken back. */
async function afterBoot(config) {
  const { attempt, reports } = await settle(config, { wait: true })
  if (attempt !== null) throw new UpdateError(`version ${attempt.version} is not confirmed; a reset takes it back`)
  if (reports.length > 0) throw new UpdateError('the server did not take the report')
}

async function fetchManifest(config, signal) {
  const url = new URL('manifest.json', config.server)
  const bytes = await fetchSmall(url, { most: MOST_MANIFEST, signal })
  const signature = await fetchSmall(new URL('manifest.json.sig', config.server), { most: SIGNATURE_BYTES, signal })
  return verifiedManifest(bytes, signature, { ...config, publicKey: await readFile(config.publicKey) })
}

async function fetchVersion(config, manifest, signal) {
  const directory = join(config.directory, 'versions', String(manifest.version))
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const files = []
  for (const name of ['kernel', 'initrd']) {
    const { file, size, sha256: digest } = manifest[name]
    const stallAfter = config.stallAfter * 1000
    const url = new URL(file, config.server)
    files.push(await download(url, { path: join(directory, name), size, digest, stallAfter, signal }))
  }
  return files
}

async function tryVersion(config, state, version, { kernel, initrd }) {
  const { deadline, allowGaps, append = [], via } = config
  const trial = { deadline: deadline * 1000, allowGaps }
  const made = await plan({ kernel, initrds: [initrd], reuseCommandLine: true, append, trial })
  for (const { text } of made.warnings) console.error(`warning: ${text}`)
  if (made.refusals.length > 0) throw made.refusals[0]
  const attempt = {
    version,
    trial: made.trial.id,
    loaded: false,
    sha256: { kernel: sha256(kernel), initrd: sha256(initrd) },
  }
  // Before the load: whatever happens from here on, the record of this trial says how far it came.
  await writeState(config.directory, { ...state, attempt })
  await made.load()
  await writeState(config.directory, { ...state, attempt: { ...attempt, loaded: true } })
  console.log(`version ${version} is loaded on trial ${made.trial.id}`)
  await reboot({ via, report: console.log })
}

/** Brings the state up to what became of the version on trial, and reports it. @returns the state */
async function settle(config, { wait }) {
  let state = await readState(config.directory)
  if (state.attempt !== null) {
    state = await settleAttempt(config, state, { wait })
    await writeState(config.directory, state)
  }
  return await report(config, state)
}

async function settleAttempt(config, state, { wait }) {
  const { attempt } = state
  const status = trialStatus()
  const { verdict, reason = null } = verdictOf(attempt, status)
  const { version, trial } = attempt
  const lastLines = status.lastLines?.lines ?? null
  const over = (outcome, why = reason) => ({
    ...state,
    attempt: null,
    reports: [...state.reports, { version, trial, outcome, reason: why, lastLines }],
  })
  if (verdict === 'unknown') throw new UpdateError(`what became of version ${version} is unknown: ${reason}`)
  if (verdict === 'not-tried') return { ...state, attempt: null }
  if (verdict === 'taken-back') {
    const failures = { ...state.failures, [version]: (state.failures[version] ?? 0) + 1 }
    return { ...over('taken-back'), failures }
  }
  if (verdict === 'running' && wait) {
    const canUpdate = () => fetchManifest(config, AbortSignal.timeout(config.stallAfter * 1000))
    if (!(await isHealthy({ canUpdate, timeLeft: status.timeLeft }))) return state
    await confirmTrial()
  } else if (verdict !== 'confirmed') return state
  const isKept = await makePermanent(config, attempt)
  return isKept
    ? { ...over('confirmed'), installed: version }
    : over('confirmed', 'Its files have changed on the disk, so it will be downloaded and tried again.')
}

/**
 * The boot loader starts what DIRECTORY/current leads to. The link changes in one step, and only to a version that was
 * confirmed, and whose files are still the verified ones. @returns whether they are
 */
async function makePermanent({ directory }, { version, sha256: expected }) {
  const versions = join(directory, 'versions')
  for (const name of ['kernel', 'initrd'])
    if (sha256(await readFile(join(versions, String(version), name))) !== expected[name]) return false
  await syncDirectoryOf(join(versions, String(version)))
  const link = join(directory, 'current')
  await rm(`${link}.new`, { force: true })
  await symlink(join('versions', String(version)), `${link}.new`)
  await rename(`${link}.new`, link)
  await syncDirectoryOf(link)
  for (const other of await readdir(versions))
    if (other !== String(version)) await rm(join(versions, other), { recursive: true })
  return true
}

/** Sends each outcome until the server has taken it. It may see one twice, after a power cut: the trial's id is the same. */
async function report(config, state) {
  let current = state
  for (const each of state.reports) {
    try {
      const body = JSON.stringify({ machine: config.machine, ...each })
      const headers = { 'content-type': 'application/json' }
      const signal = AbortSignal.timeout(config.stallAfter * 1000)
      const response = await fetch(new URL('reports', config.server), { method: 'POST', headers, body, signal })
      if (!response.ok) throw new UpdateError(`the server answered ${response.status}`)
    } catch (error) {
      // The next run sends it: a server that takes no reports must not stop updates.
      console.error(`not reported yet: ${error.message}`)
      return current
    }
    current = { ...current, reports: current.reports.filter((other) => other !== each) }
    await writeState(config.directory, current)
    console.log(`reported: version ${each.version} ${each.outcome}`)
  }
  return current
}

function show(error) {
  if (error instanceof KexecError) {
    console.error(`${error.reason}: ${error.message}`)
    if (error.hint !== undefined) console.error(error.hint)
  } else if (error instanceof UpdateError || error.name === 'TimeoutError') console.error(error.message)
  // A fetch that fails has its reason in the cause.
  else if (error.cause?.message !== undefined) console.error(`${error.message}: ${error.cause.message}`)
  else console.error(error)
}
