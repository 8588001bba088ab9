import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isatty } from 'node:tty'
import type { System } from '../../system/system.ts'
import { readAssignments } from './run-files.ts'
import { isTerminalName, type Login, parseUtmp } from './utmp.ts'

const UTMP = '/run/utmp'
const SESSIONS = '/run/systemd/sessions'

/** Larger than any utmp, bytes. */
const MAX_UTMP = 4 * 1024 * 1024
const MAX_SESSIONS = 10_000

/**
 * The users logged in at a terminal: utmp(5), and the sessions of systemd-logind, which newer systems have in its
 * place.
 */
export function loggedIn(system: System): Login[] {
  const logins = new Map<string, Login>()
  for (const login of [...utmpLogins(system), ...sessionLogins(system)]) {
    if (!logins.has(login.terminal)) logins.set(login.terminal, login)
  }
  return [...logins.values()]
}

function utmpLogins(system: System): Login[] {
  try {
    if (!system.stat(UTMP)?.isFile()) return []
    return parseUtmp(system.readHead(UTMP, MAX_UTMP))
  } catch {
    return []
  }
}

function sessionLogins(system: System): Login[] {
  const names = system.list(SESSIONS).filter((name) => /^\w{1,64}$/.test(name))
  return names.slice(0, MAX_SESSIONS).flatMap((name) => {
    const session = readAssignments(system, `${SESSIONS}/${name}`)
    const [user, terminal] = [session.get('USER'), session.get('TTY')]
    return user !== undefined && terminal !== undefined && isTerminalName(terminal) ? [{ user, terminal }] : []
  })
}

/**
 * Writes a message to the terminals of logged-in users. It never waits: a terminal that takes nothing now, such as one
 * stopped with Ctrl-S, is skipped.
 * @returns the terminals that it was written to
 */
export function tellUsers(system: System, message: string): string[] {
  const text = `\r\n\x07Message from linux-kexec on ${printable(hostname())}:\r\n${printable(message)}\r\n`
  const logins = loggedIn(system)
  return logins.flatMap(({ terminal }) => (writeTerminal(join(system.root, 'dev', terminal), text) ? [terminal] : []))
}

function writeTerminal(path: string, text: string): boolean {
  let fd: number | undefined
  try {
    fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY | constants.O_NOFOLLOW)
    if (!fstatSync(fd).isCharacterDevice() || !isatty(fd)) return false
    return writeSync(fd, text) > 0
  } catch {
    return false
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** A terminal obeys control characters; a message keeps only its line breaks. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
  return text.replace(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/g, '?').replaceAll('\n', '\r\n')
}
