import { execFile } from 'node:child_process'
import { chmodSync, copyFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { makeTree, type Tree } from '../entries/tree.ts'
import { debian, kernelOf, lengthen, makeMachine, newer } from '../plan/debian.ts'
import { backports, bookworm, key, keys, lockdown, machine, secureBoot } from '../policy/machines.ts'
import { cli, json, program, shown } from './cli.ts'

const texts = (remarks: readonly { text: string }[]) => remarks.map(({ text }) => text).join()

test('the mode comes first, then every fact with its file, within the terminal', async () => {
  const root = makeTree(
    machine(bookworm, secureBoot(true), lockdown('integrity'), keys(key('Example CA', '5a'.repeat(20)))),
  )
  const { status, stderr } = await cli(['policy', '--root', root])
  expect([status, stderr]).toEqual([0, ''])
  const stdout = await shown(`policy --root ${root}`)
  const lines = stdout.split('\n')
  expect(lines[0]).toMatch(/^kexec_file_load +enforced$/)
  expect(stdout).toMatch(/^kexec_load +disabled$/m)
  expect(stdout).toContain('none [integrity] confidentiality')
  expect(stdout).toContain('Example CA (platform or machine)')
  // A path has no place to break; everything else fits.
  for (const line of lines) if (line.length > 80) expect(line.trim()).not.toContain(' ')
})

test('what could not be read is listed with the facts that it would show', async () => {
  const { stdout } = await cli(['policy', '--root', makeTree(machine(bookworm, { '/proc/keys': { text: '' } }))])
  expect(stdout.split('Unknown:')[1]?.replace(/\s+/g, ' ')).toContain(
    '/proc/keys (not permitted): it would show which keys',
  )
})

test('hostile names stay on their line and move no cursor', async () => {
  const hostile: Tree = {
    '/proc/sys/kernel/osrelease': { text: `6.1.0\x1b[2J\x07${'\n'}evil` },
    '/proc/keys': { text: '' },
  }
  expect((await cli(['policy', '--root', makeTree({ ...machine(bookworm), ...hostile })])).status).toBe(0)
})

test('another user, who may not read what root may: it says so and fails at nothing', async () => {
  const tree = machine(bookworm)
  const root = makeTree(tree)
  chmodSync(root, 0o755)
  for (const path of [
    '/sys/kernel/security/lockdown',
    `/boot/config-${bookworm}`,
    '/proc/self/status',
    '/sys/kernel/security/ima/policy',
  ])
    chmodSync(join(root, path), 0)
  // The user may not come by where this repository lies.
  const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-user-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  chmodSync(directory, 0o755)
  copyFileSync(program, join(directory, 'linux-kexec.cjs'))
  cpSync(join(dirname(program), 'cli'), join(directory, 'cli'), { recursive: true })
  const output = await new Promise<string>((done) => {
    const nobody = { uid: 65534, gid: 65534, cwd: '/' }
    const args = [join(directory, 'linux-kexec.cjs'), 'policy', '--json', '--root', root]
    execFile(process.execPath, args, nobody, (error, stdout) => done(error === null ? stdout : String(error)))
  })
  const policy = JSON.parse(output)
  expect(policy).toMatchObject({ mode: 'unknown', lockdown: null, capability: null, signature: { required: null } })
  const unread = policy.unread.map(({ path, why }: { path: string; why: string }) => [path, why])
  expect(unread).toContainEqual(['/sys/kernel/security/lockdown', 'not permitted'])
  expect(unread).toContainEqual([`/boot/config-${bookworm}`, 'not permitted'])
  expect(unread).toContainEqual(['/sys/kernel/security/ima/policy', 'not permitted'])
})

/** A Debian machine with kernels to load, and a policy. */
const withPolicy = (...changes: readonly Tree[]) =>
  makeMachine({ ...debian, ...machine(bookworm, ...changes), '/proc/cmdline': { text: 'root=/dev/vda1 ro quiet\n' } })

test('plan shows the verdict as its last decision', async () => {
  const { document, status } = await json(['plan', newer, '--root', withPolicy()])
  expect(status).toBe(0)
  expect(document.verdict).toMatchObject({ outcome: 'will-load', reason: null, missing: [], privileged: null })
  expect(document.decisions.at(-1)).toEqual({
    subject: 'verdict',
    choice: 'the kernel will take it',
    reason: 'signatures are verified, but a kernel that fails is accepted anyway',
  })
  expect((await json(['plan', newer, '--root', makeMachine()])).document.verdict).toBeNull()
})

/** Debian's kernel as it was before it was signed: its header names no certificate table. */
function unsigned(): Buffer {
  const bytes = kernelOf(newer)
  const optionalHeader = bytes.readUInt32LE(0x3c) + 24
  bytes.fill(0, optionalHeader + 112 + 4 * 8, optionalHeader + 112 + 5 * 8)
  return bytes
}

test('a refusal that is certain ends with status 3, unless --try-anyway', async () => {
  const root = withPolicy(lockdown('integrity'), { '/boot/vmlinuz-6.20.0': { file: unsigned() } })
  lengthen(join(root, 'boot/vmlinuz-6.20.0'))
  const load = ['/boot/vmlinuz-6.20.0', '--reuse-cmdline', '--no-initrd', '--root', root]
  const { document, status } = await json(['plan', ...load])
  expect(status).toBe(3)
  expect(document.refusals).toMatchObject([
    { reason: 'lockdown', code: 'EPERM', refused: true, path: '/boot/vmlinuz-6.20.0' },
  ])
  expect(document.verdict).toMatchObject({ outcome: 'will-be-refused', reason: 'lockdown', code: 'EPERM' })
  const tried = await json(['plan', ...load, '--try-anyway'])
  expect([tried.status, tried.document.refusals]).toEqual([0, []])
  expect(texts(tried.document.warnings)).toContain('asked anyway')
})

test('what this process may not do is a verdict, and no refusal of the plan', async () => {
  const user: Tree = { '/proc/self/status': { text: 'CapEff:\t0000000000000000\nSeccomp:\t0\n' } }
  const { document, status } = await json(['plan', newer, '--root', withPolicy(user)])
  expect([status, document.refusals]).toEqual([0, []])
  expect(document.verdict).toMatchObject({ outcome: 'will-be-refused', reason: 'no-capability' })
  expect(document.verdict.privileged.outcome).toBe('will-load')
  expect(document.decisions.at(-1).reason).toContain('for a process with the privilege to load')
})

test('what is missing to tell is a warning', async () => {
  const filter: Tree = { '/proc/self/status': { text: 'CapEff:\t000001ffffffffff\nSeccomp:\t2\n' } }
  const { document, status } = await json(['plan', newer, '--root', withPolicy(filter)])
  expect(status).toBe(0)
  expect(document.verdict.outcome).toBe('cannot-tell')
  expect(texts(document.warnings)).toContain('seccomp filter')
})

test('no loads left: told before anything else, for the kind that is asked for', async () => {
  const limit = (name: string): Tree => ({ [`/proc/sys/kernel/kexec_load_limit_${name}`]: { text: '0\n' } })
  const root = withPolicy(machine(backports), limit('reboot'))
  expect((await json(['plan', newer, '--root', root])).document.refusals).toMatchObject([{ reason: 'load-limit' }])
  expect((await json(['plan', newer, '--root', root, '--panic'])).document.refusals).toEqual([])
})
