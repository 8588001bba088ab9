import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

export const program = resolve('dist/linux-kexec.cjs')
/** The net: even a command that should not get that far can neither load nor reboot this machine. */
export const denyKexec = resolve('build/Release/deny_kexec')
const EPERM = '1'

export interface Result {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface Call {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
}

/** Runs the bundled command as a process. Checks what holds for every call: no stack trace, no control characters. */
export async function cli(args: readonly string[], call: Call = {}): Promise<Result> {
  const result = await start(denyKexec, [EPERM, '--', process.execPath, program, ...args], call)
  const output = result.stdout + result.stderr
  if (/^\s+at .+:\d+/m.test(output)) throw new Error(`a stack trace: ${output}`)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\x00-\x08\x0b-\x1f\x7f]/.test(output)) throw new Error(`a control character: ${JSON.stringify(output)}`)
  return result
}

/** Calls the command with --json: standard output must be exactly one document. */
// biome-ignore lint/suspicious/noExplicitAny: the tests assert its shape
export async function json(args: readonly string[], call: Call = {}): Promise<Result & { document: any }> {
  const result = await cli([...args, '--json'], call)
  const document = JSON.parse(result.stdout)
  if (document.schemaVersion !== 2) throw new Error(`schemaVersion is ${document.schemaVersion}`)
  return { ...result, document }
}

/** Runs a shell line with the command in $cli, for what only a shell does: pipes and full disks. */
export function shell(line: string, call: Call = {}): Promise<Result> {
  const env = { ...process.env, ...call.env, cli: `${denyKexec} ${EPERM} -- ${process.execPath} ${program}` }
  return start('/bin/sh', ['-c', line], { ...call, env })
}

/** Runs the command on a terminal, which script(1) of util-linux gives it, of so many columns. */
export function onTerminal(args: string, env: NodeJS.ProcessEnv = {}, columns = 80): Promise<Result> {
  return shell(`script -qec "stty cols ${columns}; $cli ${args}" /dev/null </dev/null`, {
    env: { ...process.env, NO_COLOR: undefined, TERM: 'xterm', ...env },
  })
}

/** What a command shows on a terminal of 80 columns, without colours. */
export async function shown(args: string): Promise<string> {
  const { stdout } = await onTerminal(args, { NO_COLOR: '1' })
  return stdout.replaceAll('\r\n', '\n')
}

async function start(file: string, args: readonly string[], call: Call): Promise<Result> {
  for (const needed of [program, denyKexec])
    if (!existsSync(needed)) throw new Error(`${needed} is missing: run the tests through \`npm test\``)
  return new Promise((done) => {
    execFile(file, args, { ...call, timeout: 120_000 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      done({ status, stdout, stderr })
    })
  })
}
