import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Command } from '../../../src/cli/arguments/command.ts'
import { kexecOptions } from '../../../src/cli/kexec8/options.ts'
import { TrialRecords } from '../../../src/trial/record/records.ts'
import { layMachine } from '../engine/layout/machines.ts'
import type { Tree } from '../entries/tree.ts'
import { arm64Image } from '../image/tools.ts'
import { kernelDirectory } from '../matrix/records.ts'
import { debian, makeMachine, newer } from '../plan/debian.ts'
import { bookworm, key, keys, lockdown, machine } from '../policy/machines.ts'
import { BOOTS, boot, kexecRecord, stampAt, write } from '../trial/last/machine.ts'
import {
  after,
  change,
  during,
  ID,
  newer as newerRelease,
  startedRecord,
  machine as trialMachine,
} from '../trial/machine.ts'
import { cli, json } from './cli.ts'

const names =
  'list inspect plan load rehearse matrix unload status crash-size service policy doctor handover reboot exec trial last kexec'.split(
    ' ',
  )
/** Commands that do not stand directly in src/cli/commands. */
const places: Readonly<Record<string, () => Promise<{ command: Command }>>> = {
  kexec: () => import('../../../src/cli/kexec8/command.ts'),
  trial: () => import('../../../src/cli/commands/trial/trial.ts'),
  last: () => import('../../../src/cli/commands/trial/last.ts'),
}
const commands: Command[] = await Promise.all(
  names.map(async (name) => (await (places[name]?.() ?? import(`../../../src/cli/commands/${name}.ts`))).command),
)
const jsonPage = readFileSync('docs/json.md', 'utf8')
const errorPage = readFileSync('docs/errors.md', 'utf8')

test('these are all commands', async () => {
  const { stdout } = await cli(['--help'])
  const listed = stdout.split('Commands:\n')[1]?.split('\n\n')[0] ?? ''
  expect([...listed.matchAll(/^ {2}([\w-]+)/gm)].map((match) => match[1])).toEqual(names)
})

test.each(commands.map((command) => [command.name, command] as const))('the man page has %s', (_name, command) => {
  // In roff a hyphen that is to be typed is written \-.
  const page = readFileSync('docs/linux-kexec.8', 'utf8').replaceAll('\\-', '-')
  const start = page.indexOf(`.SS ${command.name}`)
  expect(start).toBeGreaterThan(0)
  const own = page.slice(start, page.indexOf('\n.S', start + 1))
  const loadOptions = page.slice(
    page.indexOf('.SS Load options'),
    page.indexOf('.SH', page.indexOf('.SS Load options')),
  )
  const text = own.includes('load options') ? own + loadOptions : own
  for (const option of Object.keys(command.options)) expect(text).toContain(`--${option}`)
  // And none that is not there.
  const ofKexec = kexecOptions.map(({ name }) => name)
  const known = [...commands.flatMap(({ options }) => Object.keys(options)), ...ofKexec, 'help', 'version']
  for (const [, option] of page.matchAll(/--([a-z][a-z-]*)/g)) expect(known).toContain(option)
})

test('the man page has the version of the package', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
  expect(readFileSync('docs/linux-kexec.8', 'utf8')).toContain(`"linux-kexec ${version}"`)
})

/** The fields that docs/json.md lists for a command. */
function documented(command: string): string[] {
  const section = jsonPage.split(/^## /m).find((text) => text.startsWith(`${command}\n`)) ?? ''
  return fieldsOf(section)
}

function fieldsOf(section: string): string[] {
  const cells = [...section.matchAll(/^\| (`[^|]+`) \|/gm)].map((match) => match[1] as string)
  return cells.flatMap((cell) => cell.slice(1, -1).split('`, `')).sort()
}

/** The fields of a document, as the page writes them; what the page calls an object is not looked into. */
function fields(value: unknown, objects: readonly string[], path = ''): string[] {
  if (Array.isArray(value)) {
    const inside = value.flatMap((element) => fields(element, objects, `${path}[]`))
    return value.length === 0 ? [`${path}[]`] : [...new Set(inside)]
  }
  if (typeof value !== 'object' || value === null || objects.includes(path)) return [path]
  return Object.entries(value).flatMap(([key, inner]) => fields(inner, objects, path === '' ? key : `${path}.${key}`))
}

const problematic = () => makeMachine({ ...debian, '/boot/vmlinuz-6.13.0': 'empty' })

test('docs/json.md: list', async () => {
  const { document } = await json(['list', '--root', problematic()])
  const objects = ['entries[].problems[]', 'loaders[].problems[]', 'problems[]']
  expect(fields(document, objects).sort()).toEqual(documented('list'))
  const broken = document.entries.find(({ problems }: { problems: unknown[] }) => problems.length > 0)
  expect(fields(broken.problems[0], [])).toEqual(['code', 'text'])
})

/** A FIT image with a kernel: it has everything that inspect tells of. */
function fitImage(): string {
  const directory = join(makeMachine(), 'boot')
  const source = `/dts-v1/; / { description = "x"; #address-cells = <1>; images { k { description = "k"; type = "kernel"; os = "linux";
    data = /incbin/("vmlinuz-6.1.0-50-cloud-amd64"); arch = "x86_64"; compression = "none"; load = <0>; entry = <0>;
    hash-1 { algo = "sha1"; }; }; }; configurations { default = "c"; c { kernel = "k"; compatible = "a"; }; }; };`
  writeFileSync(join(directory, 'image.its'), source)
  execFileSync('mkimage', ['-f', 'image.its', 'image.itb'], { cwd: directory, stdio: 'pipe' })
  return join(directory, 'image.itb')
}

test('docs/json.md: inspect', async () => {
  const { document } = await json(['inspect', fitImage()])
  const objects = [
    'nested[]',
    'kernel',
    'policyVerdict',
    'signatures',
    'kernelSignatures',
    'efiStub',
    'setupHeader',
    'imageHeader',
    'parts[].hashes[]',
  ]
  expect(fields(document, objects).sort()).toEqual(documented('inspect').sort())
  expect(fields(document.kernel.setupHeader, ['payload']).sort()).toEqual(documented('setup header'))
  const { ima: _ima, ...report } = document.signatures
  expect(Object.keys(document.kernelSignatures).sort()).toEqual(Object.keys(report).sort())
  expect(fields({ ...document.kernelSignatures, ima: null }, ['signatures[]']).sort()).toEqual(
    documented('signatures').filter((field) => !field.startsWith('signatures[].')),
  )
})

test('docs/json.md: plan', async () => {
  const root = makeMachine()
  layMachine(root, 'bios-6.1')
  const options = ['--engine', 'segments', '--dtb', '/x', '--remove', 'x', '--trial']
  const { document } = await json(['plan', '--root', root, ...options])
  const objects = [
    'image',
    'verdict',
    'trial.guards.watchdog',
    'trial.rollback',
    'refusals[]',
    'warnings[]',
    'unchecked[]',
  ]
  expect(fields(document, objects).sort()).toEqual(documented('plan'))
  for (const remark of [...document.warnings, ...document.unchecked])
    expect(fields(remark, [])).toEqual(['code', 'text'])
  const { document: inspected } = await json(['inspect', process.execPath])
  expect(Object.keys(document.image).sort()).toEqual(Object.keys(inspected.kernel).sort())
})

test('docs/json.md: verdict and policy', async () => {
  const blacklisted = keys(key('Example CA', '5a'.repeat(20)))
  const user: Tree = { '/proc/self/status': { text: 'CapEff:\t0000000000000000\n' } }
  const confined: Tree = { '/proc/self/attr/current': { text: 'docker-default (enforce)\n' } }
  const spinTable: Tree = {
    '/proc/device-tree/cpus/cpu@0/enable-method': { text: 'spin-table\0' },
    '/sys/devices/system/cpu/possible': { text: '0-3\n' },
  }
  const tree = machine(bookworm, user, lockdown('integrity'), blacklisted, confined, spinTable, {
    '/proc/config.gz': 'directory',
  })
  const root = makeMachine({ ...debian, ...tree, '/proc/cmdline': { text: 'root=/dev/vda1\n' } })
  const { document } = await json(['plan', newer, '--root', root])
  expect(fields(document.verdict, ['privileged', 'missing[]', 'notes[]']).sort()).toEqual(documented('verdict'))
  // A configuration that is a directory is there, and cannot be read.
  const { document: policy } = await json(['policy', '--root', root])
  const objects = ['kexecLoad', 'obstacles[]', 'keyrings.counts', 'firmware.trusted', 'firmware.revoked']
  expect(fields(policy, objects).sort()).toEqual(documented('policy'))
})

test('docs/json.md: handover', async () => {
  const root = makeMachine({ '/proc/1/comm': { text: 'systemd\n' }, '/run/systemd/system': 'directory' })
  const { status, document } = await json(['handover', '--root', root])
  expect({ status, via: document.via }).toEqual({ status: 3, via: 'systemd' })
  expect(fields(document, ['hook']).sort()).toEqual(documented('handover'))
})

test('docs/json.md: trial', async () => {
  const system = trialMachine(during, {
    '/sys/fs/pstore/dmesg-ramoops-0': { text: `[ 1.0] Kernel command line: linux_kexec.trial=${ID}\n` },
  })
  new TrialRecords(system).begin(startedRecord())
  change(system, { ...during, '/proc/cmdline': { text: `linux_kexec.trial=${ID}\n` } })
  const { document: running } = await json(['trial', '--root', system.root])
  change(system, after)
  const { document: back } = await json(['trial', 'status', '--root', system.root])
  expect([running.outcome, back.outcome]).toEqual(['running', 'taken-back'])
  const all = { ...running, lastLines: back.lastLines, progress: back.progress }
  expect(fields(all, ['record']).sort()).toEqual(documented('trial'))
})

test('docs/json.md: last', async () => {
  const size = Buffer.alloc(73)
  size.writeUInt32LE(1, 0)
  size.write('7.3.4', 4)
  size.writeUInt32LE(2, 69)
  const kho: Tree = { '/sys/kernel/debug/kho/in/sub_fdts/kexec-metadata': { file: size } }
  const system = trialMachine(boot(1, 'kexec', newerRelease, 'changed'), kho)
  const arrival = {
    ...{ bootId: BOOTS[1] as string, stamp: stampAt(9, 9), initBegan: '7', uncertainty: 1, perMillisecond: 1 },
    problem: null,
  }
  write(system, [kexecRecord({ id: ID.replace('0', '1') }), kexecRecord({ arrival })])
  const { status, document } = await json(['last', '--root', system.root])
  expect(status).toBe(0)
  expect(fields(document, ['kexec', 'history[]']).sort()).toEqual(documented('last'))
  expect(fields(document.kexec, []).sort()).toEqual(fields(document.history[0], []).sort())
  const { stdout } = await cli(['last', '--root', system.root])
  expect(stdout).toMatch(/^by the kernel +2, the last from 7\.3\.4$/m)
})

test('docs/json.md: matrix', async () => {
  const directory = kernelDirectory(newer)
  writeFileSync(join(directory, 'Image'), arm64Image())
  const file = join(directory, 'kernels.json')
  // Of another architecture than this machine's, so that nothing is rehearsed.
  writeFileSync(file, JSON.stringify({ from: [process.arch === 'arm64' ? newer : 'Image'] }))
  const { document } = await json(['matrix', file])
  const objects = ['outcome', 'phases'].map((name) => `cells[].${name}`)
  expect(fields(document, objects).sort()).toEqual(documented('matrix'))
})

test('docs/json.md: load, when it refuses', async () => {
  const { document } = await json(['load', '/', '--command-line', 'ro'])
  const expected = documented('load').filter((field) => field !== 'milliseconds')
  expect(fields(document, ['plan', 'error']).sort()).toEqual(expected)
})

test('docs/json.md: status', async () => {
  const { document } = await json(['status'])
  expect(fields(document, ['kernel', 'crash']).sort()).toEqual(documented('status'))
})

test('docs/json.md: crash-size and service', async () => {
  const { document } = await json(['crash-size'])
  expect(fields(document, []).sort()).toEqual(documented('crash-size'))
  const { document: standing } = await json(['service', 'show', '--systemd', '--root', makeMachine()])
  expect(fields(standing, []).sort()).toEqual(documented('service'))
})

test('docs/json.md: doctor', async () => {
  const { document } = await json(['doctor', '--root', makeMachine({ ...debian, ...machine(bookworm) })])
  // Some of its lists are empty.
  const found = fields(document, []).filter((field) => field !== 'checks[].evidence[]')
  expect(found.sort()).toEqual(documented('doctor'))
})

test('docs/errors.md: the document of an error', async () => {
  const { document } = await json(['inspect', '/nowhere/vmlinuz'])
  const expected = fieldsOf(errorPage.slice(errorPage.indexOf('## The JSON document')))
  const withoutEvidence = expected.filter((field) => !field.startsWith('error.evidence[]'))
  expect(fields(document, []).sort()).toEqual([...withoutEvidence, 'error.evidence[]'].sort())
})

test('docs/errors.md: exit statuses and the errnos that are told apart', () => {
  for (const errno of ['EPERM', 'ENOSYS', 'EBUSY', 'ETXTBSY', 'EIO', 'ENOEXEC', 'EINVAL', 'EKEYREJECTED', 'ENOKEY'])
    expect(errorPage).toMatch(new RegExp(`^\\| [^|]*\\b${errno}\\b`, 'm'))
  for (const status of [0, 1, 2, 3, 4]) expect(errorPage).toMatch(new RegExp(`^\\| ${status} +\\|`, 'm'))
})

/** The names that src/index.ts exports, types among them, of `export { a, type B } from '…'`. */
function exportedNames(): string[] {
  const text = readFileSync('src/index.ts', 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '')
  const lists = [...text.matchAll(/export (?:type )?\{([^}]*)\}/g)].map((match) => match[1] as string)
  const names = lists.flatMap((list) => list.split(',').map((name) => name.trim().replace(/^type /, '')))
  return names.filter((name) => name !== '').map((name) => name.split(' as ').at(-1) as string)
}

test('docs/api.md names every export, types too, each by its whole name', async () => {
  const names = exportedNames()
  // The list is whole where nothing is exported in another way.
  expect(readFileSync('src/index.ts', 'utf8')).not.toMatch(/export (?!type \{|\{)/)
  const library = await import('../../../src/index.ts')
  expect(names).toEqual(expect.arrayContaining(Object.keys(library)))
  const page = readFileSync('docs/api.md', 'utf8')
  const code = [...page.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] as string).join(' ')
  const mentioned = new Set(code.match(/[A-Za-z]\w*/g))
  expect(names.filter((name) => !mentioned.has(name))).toEqual([])
  // A function is named with what it takes: its bare name may be that of a command.
  const functions = Object.entries(library).flatMap(([name, value]) =>
    typeof value === 'function' && name !== 'KexecError' ? [name] : [],
  )
  expect(functions.filter((name) => !new RegExp(`\\b${name}\\(`).test(code))).toEqual([])
})
