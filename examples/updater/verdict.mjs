/**
 * How the attempt of a version stands, by linux-kexec's record of its trial.
 *
 * - `not-tried`: its kernel was not started; the version may be tried again
 * - `waiting`: the reboot has begun, or the guards are about to reset the machine
 * - `running`: its kernel runs, and is to be confirmed
 * - `confirmed`, `taken-back`: it is over
 * - `unknown`: the record cannot be trusted
 * @param attempt with the id of its trial @param status as trialStatus() gives it
 */
export function verdictOf(attempt, { outcome, record, isRunning, problem }) {
  if (outcome === 'unreadable') return { verdict: 'unknown', reason: problem }
  if (outcome === 'unrecorded') return { verdict: 'unknown', reason: 'the running kernel is on trial without a record' }
  if (record?.id !== attempt.trial) {
    // Where records do not outlive a reset, a version that fails would be tried for ever.
    if (attempt.loaded) return { verdict: 'taken-back', reason: 'It was loaded, and the record of its trial is gone.' }
    // A power cut before there was a record.
    return { verdict: 'not-tried' }
  }
  if (outcome === 'confirmed' || outcome === 'running') return { verdict: outcome }
  if (outcome === 'started' || isRunning) return { verdict: 'waiting' }
  // 'planned', 'loaded' and 'cancelled'; 'failed' when the load failed; 'taken-back' when something else rebooted.
  if (record.times.started === undefined) return { verdict: 'not-tried' }
  return { verdict: 'taken-back', reason: record.reason ?? 'It was started, and was not confirmed in time.' }
}

/** Why a version is not to be tried; undefined when it is. */
export function reasonAgainst(version, { installed, failures }, { version: own = 0, tries = 1 }) {
  const current = Math.max(installed, own)
  if (version <= current) return `version ${version} is not newer than version ${current}`
  const failed = failures[version] ?? 0
  return failed < tries ? undefined : `version ${version} was tried ${failed} times and was taken back`
}
