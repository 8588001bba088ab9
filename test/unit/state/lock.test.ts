import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { Lock } from '../../../src/state/lock.ts'
import { StateDirectory } from '../../../src/state/state-directory.ts'
import { System } from '../../../src/system/system.ts'

const roots: string[] = []
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true })
})

function machine(): System {
  const root = mkdtempSync(join(tmpdir(), 'linux-kexec-lock-'))
  roots.push(root)
  return new System(root)
}

const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8)

test('the lock is had by one at a time, in one process and in several; whoever waits is told who has it', async () => {
  const system = machine()
  const first = await Lock.take(system, 'load')
  await expect(Lock.take(system, 'reboot', { deadline: 100 })).rejects.toMatchObject({
    reason: 'busy',
    refused: true,
    summary: expect.stringContaining(`\`linux-kexec load\` (process ${process.pid})`),
  })
  // It could not be released while we block.
  expect(() => Lock.takeSync(system, 'unload')).toThrow(/linux-kexec load/)
  const second = Lock.take(system, 'reboot')
  first.release()
  first.release()
  ;(await second).release()
  Lock.takeSync(system, 'unload').release()
})

test('a signal ends the waiting; without a directory that can be written there is no lock, and no failure', async () => {
  const system = machine()
  const held = await Lock.take(system, 'load')
  const controller = new AbortController()
  const waiting = Lock.take(system, 'load', { signal: controller.signal })
  controller.abort(new Error('SIGINT'))
  await expect(waiting).rejects.toMatchObject({ reason: 'aborted' })
  held.release()
  const elsewhere = machine()
  symlinkSync('/nonexistent/directory', join(elsewhere.root, 'run'))
  ;(await Lock.take(elsewhere, 'load')).release()
})

test('the kernel releases the lock of a process that is killed', async () => {
  const system = machine()
  const script = `const { Lock } = await import('./src/state/lock.ts')
    const { System } = await import('./src/system/system.ts')
    await Lock.take(new System(${JSON.stringify(system.root)}), 'load')
    console.log('held')
    setInterval(() => {}, 1000)`
  const other = spawn('node_modules/.bin/esbuild', ['--bundle', '--platform=node', '--format=esm'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  other.stdin.end(script)
  const bundle = await text(other.stdout)
  const holder = spawn(process.execPath, [
    '--input-type=module',
    '--eval',
    bundle.replaceAll('import.meta.url', JSON.stringify(`file://${process.cwd()}/src/native.ts`)),
  ])
  onTestFinished(() => void holder.kill('SIGKILL'))
  await new Promise((resolve) => holder.stdout.once('data', resolve))
  await expect(Lock.take(system, 'load', { deadline: 50 })).rejects.toThrow(`process ${holder.pid}`)
  holder.kill('SIGKILL')
  ;(await Lock.take(system, 'load', { deadline: 10_000 })).release()
})

test('whatever the umask is, the directory and what is in it are root’s alone, and directories on the way are not', async () => {
  for (const mask of [0, 0o777, 0o022]) {
    const system = machine()
    const old = process.umask(mask)
    try {
      new StateDirectory(system).write('loaded.json', '{}')
      ;(await Lock.take(system, 'load')).release()
    } finally {
      process.umask(old)
    }
    const directory = join(system.root, 'run/linux-kexec')
    expect(
      [join(system.root, 'run'), directory, join(directory, 'loaded.json'), join(directory, 'lock')].map(modeOf),
    ).toEqual(['755', '700', '600', '600'])
    expect(readFileSync(join(directory, 'loaded.json'), 'utf8')).toBe('{}')
  }
})

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  let all = ''
  for await (const chunk of stream) all += chunk
  return all
}
