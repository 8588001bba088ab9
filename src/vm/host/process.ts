import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'

/** The machine lacks something the harness needs, or a tool it called failed. `hint` names the remedy. */
export class ProvisionError extends Error {
  override readonly name = 'ProvisionError'
  readonly hint: string | undefined

  constructor(message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(options.hint === undefined ? message : `${message}\n${options.hint}`, { cause: options.cause })
    this.hint = options.hint
  }
}

/**
 * The path of a program in PATH (or in the system directories, which an ordinary user's PATH may lack), or undefined.
 */
export function findProgram(name: string): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin']
  for (const directory of directories) {
    if (!directory.startsWith('/')) continue
    try {
      accessSync(join(directory, name), constants.X_OK)
      return join(directory, name)
    } catch {
      // not in this directory
    }
  }
  return undefined
}

/** Runs a program to its end and resolves to its standard output. No shell. @throws ProvisionError with its last words. */
export function execute(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; input?: Uint8Array } = {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: options.cwd, env: options.env ?? process.env })
    const output: Buffer[] = []
    const errors: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
    child.stdin.on('error', () => {})
    child.stdin.end(options.input)
    child.on('error', (cause) => reject(cannotRun(program, cause)))
    child.on('close', (status, signal) => {
      if (status === 0) return resolve(Buffer.concat(output))
      const words = Buffer.concat(errors).toString().trim() || Buffer.concat(output).toString().trim().slice(-2000)
      reject(new ProvisionError(`${program} ${args[0] ?? ''} ended with ${signal ?? `status ${status}`}: ${words}`))
    })
  })
}

/** The programs of the harness that a minimal Debian lacks: scripts/programs.mjs has them by name. */
const PACKAGES = 'qemu-system-x86 xz-utils zstd dosfstools mtools npm'

function cannotRun(program: string, cause: NodeJS.ErrnoException): ProvisionError {
  if (cause.code !== 'ENOENT') return new ProvisionError(`cannot run ${program}: ${cause.message}`, { cause })
  const hint = `On Debian, everything needed comes with: apt-get install ${PACKAGES}`
  return new ProvisionError(`${program} is not installed`, { cause, hint })
}
