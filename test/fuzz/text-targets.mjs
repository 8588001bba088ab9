import { isUtf8 } from 'node:buffer'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { build } from 'esbuild'
import { appendParameters, checkCommandLineText, removeParameter } from '../../modules/cmdline/edit.js'
import { hasParameter } from '../../modules/cmdline/look-up.js'
import { parseCommandLine, printCommandLine } from '../../modules/cmdline/parse.js'
import { KexecError } from '../../modules/errors.js'
import { bytesOfText, hasEscapes, textOfBytes } from '../../modules/exact-text.js'
import { isTerminalName, parseUtmp } from '../../modules/handover/precautions/utmp.js'
import { parseRecord } from '../../modules/state/record.js'
import { durationsOf } from '../../modules/trial/last/durations.js'
import { parseKexecs } from '../../modules/trial/last/record.js'
import { setVariable, variableIn } from '../../modules/trial/loader/environment-block.js'
import { parseTrialRecord } from '../../modules/trial/record/parse.js'
import { answered, Violations } from './sentence.mjs'

const file = {
  ...{ path: '/boot/vmlinuz', size: 1, device: 2, inode: 3, modifiedAt: 4.5, changedAt: null },
  ...{ sample: 'a', sha256: null },
}
const record = {
  ...{ schemaVersion: 1, kind: 'kernel', bootId: '3b5f6c1e-6f0c-4d8e-9a53-0f3c5d0a9b11' },
  loadedAt: '2026-11-21T13:00:00.000Z',
  by: { uid: 0, loginUid: 1000, sudoUser: 'tester', pid: 77, program: '/usr/bin/linux-kexec' },
  ...{ packageVersion: '0.1.0', version: '6.12.1', kernel: file, initrds: [file], others: [], overlay: ['/a'] },
  ...{ commandLine: 'root=/dev/vda1', engine: 'file', flags: 0, fingerprint: null, fingerprintProblem: 'why' },
  origin: { selector: 'newest', entry: 'debian', title: 'Debian', source: 'bls' },
}

const trial = {
  ...{ schemaVersion: 1, id: '0123456789abcdef', state: 'started', reason: null, deadline: 120_000 },
  times: { planned: '2026-11-30T08:00:00.000Z', started: '2026-11-30T08:01:00.000Z' },
  guards: { panic: 5, watchdog: null, deadman: true },
  target: {
    ...{ kernel: '/boot/vmlinuz', release: '6.12.1', buildId: '01d2640d3a13145e', version: '#1 SMP' },
    ...{ commandLine: 'root=/dev/vda1', initrdSha256: null },
  },
  ...{ rollback: null, fallback: null, from: { release: '6.1.0', bootId: '3b5f6c1e-6f0c-4d8e-9a53-0f3c5d0a9b11' } },
}

const stamp = {
  ...{ counter: '76161472517', window: 6466, frequency: null, boottime: 26221.053, raw: 26221.054 },
  at: '2026-11-30T12:08:44.777Z',
}
const kexec = {
  ...{ id: '0123456789abcdef', trial: null, from: trial.from, engine: 'file', by: record.by, number: 1 },
  to: { kernel: '/boot/vmlinuz', release: '6.12.1', version: '#1 SMP', commandLine: 'root=/dev/vda1' },
  ...{ loaded: stamp, begun: stamp, left: null, confirmed: null },
  arrival: {
    ...{ bootId: '8f14e45f-ceea-467f-a0d5-0e1d3f2b4c6a', stamp, initBegan: '76161472517', uncertainty: 0.15 },
    ...{ perMillisecond: 2599987.8, problem: null },
  },
}

const block = (content) => `# GRUB Environment Block\n${content}`.padEnd(256, '#')

const kexec8 = join(import.meta.dirname, '../../src/cli/kexec8')

export const textTargets = [
  {
    name: 'record',
    more: () => [JSON.stringify(record), JSON.stringify({ ...record, fingerprint: 'x', fingerprintProblem: null })],
    words: ['null', '[]', '{}', '-1', '1e999', '""', '"segments"', '"__proto__"'],
    parser: 'state/fields',
    reaches: 'isTime',
    read: (bytes) => {
      const violations = new Violations()
      const read = parseRecord(bytes.toString('utf8'), 'kernel')
      if (typeof read === 'string') violations.sentences([read])
      else violations.check(!Number.isNaN(Date.parse(read.loadedAt)) && Array.isArray(read.initrds), 'it is no record')
      return violations.found
    },
  },
  {
    name: 'trial-record',
    more: () => [JSON.stringify(trial), JSON.stringify({ ...trial, state: 'failed', reason: 'a check failed' })],
    words: ['null', '[]', '{}', '-1', '1e999', '""', '"confirmed"', '"__proto__"'],
    parser: 'trial/record/parse',
    reaches: 'trialRecordOf',
    read: (bytes) => {
      const violations = new Violations()
      const read = parseTrialRecord(bytes.toString('utf8'))
      if (typeof read === 'string') violations.sentences([read])
      else violations.check(/^[\da-f]{16}$/.test(read.id) && read.times[read.state] !== undefined, 'it is no record')
      return violations.found
    },
  },
  {
    name: 'kexecs',
    more: () => [
      JSON.stringify({ schemaVersion: 1, kexecs: [kexec, { ...kexec, trial: kexec.id, arrival: null, begun: null }] }),
    ],
    words: ['null', '[]', '{}', '-1', '1e999', '""', '"segments"', '"__proto__"'],
    parser: 'trial/last/record',
    reaches: 'isId',
    read: (bytes) => {
      const violations = new Violations()
      const read = parseKexecs(bytes.toString('utf8'))
      if (typeof read === 'string') violations.sentences([read])
      else {
        // Whatever is believed can be reckoned with: nothing of it may throw.
        for (const each of read)
          for (const { milliseconds } of Object.values(durationsOf(each)))
            violations.check(
              milliseconds === null || (Number.isFinite(milliseconds) && milliseconds >= 0),
              'a span is negative',
            )
      }
      return violations.found
    },
  },
  {
    name: 'environment-block',
    more: () => [block('saved_entry=a>b\n'), block('next_entry=x\\\ny\nother=1\n'), block('')],
    words: ['next_entry=', '\\', '\n', '#', '='],
    parser: 'trial/loader/environment-block',
    reaches: 'linesOf',
    read: (bytes) => {
      const violations = new Violations()
      const others = (of) => ['saved_entry', 'other'].map((name) => variableIn(of, name))
      for (const value of ['Debian>\\1', null]) {
        const set = setVariable(bytes, 'next_entry', value)
        if (typeof set === 'string') {
          violations.sentences([set])
          continue
        }
        violations.check(set.length === bytes.length, 'its length changed')
        violations.check(isDeepStrictEqual(others(set), others(bytes)), 'another variable changed')
        if (value !== null) violations.check(variableIn(set, 'next_entry') === value, 'it has another value')
      }
      return violations.found
    },
  },
  {
    name: 'utmp',
    seeds: /\/utmp\/.*\.utmp$/,
    more: () => [Buffer.alloc(800, 'pts/0\0user\0').fill(0, 2, 8).fill(7, 0, 1).fill(0, 1, 2)],
    parser: 'handover/precautions/utmp',
    reaches: 'textAt',
    read: (bytes) => {
      const violations = new Violations()
      for (const { user, terminal } of parseUtmp(bytes)) {
        violations.check(user !== '' && isTerminalName(terminal), `'${user}' is logged in at '${terminal}'`)
      }
      return violations.found
    },
  },
  {
    name: 'kexec8-words',
    more: () => [
      '-l\0/boot/vmlinuz\0--initrd=/boot/initrd.img\0--reuse-cmdline\0--append=quiet\0-s',
      '-e',
      '-u',
      '-p\0vmlinuz\0--command-l\0root=/dev/sda1\0--type=bzImage',
      '--load-panic\0-S',
      '-fdy\0kernel\0--mem-min=0x100000\0--console-serial\0--serial-baud=9600\0--\0-x',
    ],
    words: kexecOptions(),
    parser: 'cli/kexec8/request',
    reaches: 'specificationOf',
    read: readKexecWords,
  },
  {
    name: 'exact-text',
    more: () => [
      Buffer.from('a\xff\x80é', 'latin1'),
      'é€😀',
      Buffer.from('eda080f09f98', 'hex'),
      Buffer.from('f4908080', 'hex'),
    ],
    parser: 'exact-text',
    reaches: 'characterLength',
    read: (bytes) => {
      const violations = new Violations()
      const text = textOfBytes(bytes)
      violations.check(bytesOfText(text).equals(bytes), 'the bytes do not come back')
      violations.check(hasEscapes(text) === !isUtf8(bytes), 'that it is not UTF-8 is not seen')
      violations.check(textOfBytes(bytesOfText(text)) === text, 'the text does not come back')
      return violations.found
    },
  },
  {
    name: 'command-line',
    seeds: /\/cmdline(?:\.txt)?$/,
    more: () => ['root=/dev/sda1 "a b"=c x="d e" quiet -- init --', Buffer.from('a=\xa0b à\xc3 "open', 'latin1')],
    words: ['root=', 'initrd=', '--', '"', 'BOOT_IMAGE='],
    parser: 'cmdline',
    reaches: 'removeParameter',
    read: readCommandLine,
  },
]

/** Every option of kexec(8), as its list in src/ has them. */
function kexecOptions() {
  const source = readFileSync(join(kexec8, 'options.ts'), 'utf8')
  const names = [...source.matchAll(/'([a-z]|[a-z][a-z-]+)'/g)].map(([, name]) => name)
  return names.map((name) => (name.length === 1 ? `-${name}` : `--${name}=`))
}

/** The command is built as one bundle, of which this part is no file: it is made one. */
async function compileRequest() {
  const outfile = join(import.meta.dirname, '../../build/fuzz', String(process.pid), 'modules/cli/kexec8/request.js')
  await build({ entryPoints: [join(kexec8, 'request.ts')], bundle: true, format: 'esm', platform: 'node', outfile })
  const module = await import(outfile)
  rmSync(join(outfile, '../../../..'), { recursive: true })
  return module
}

let compiled

async function readKexecWords(bytes) {
  compiled ??= compileRequest()
  const { readRequest } = await compiled
  const violations = new Violations()
  const words = bytes.toString('utf8').split('\0')
  for (const posixly of [false, true]) {
    for (const hasCrashMemory of [false, true]) {
      const request = readRequest(words, { posixly, hasCrashMemory })
      if (request.kind === 'wrong') violations.sentences([request.problem, ...(request.hint ? [request.hint] : [])])
      if (request.kind === 'work') {
        violations.check(request.load === null || request.load.kernel.length >= 0, 'a load has no kernel')
        violations.check(['nothing', 'exec', 'reboot'].includes(request.finish), `it ends with ${request.finish}`)
      }
    }
  }
  return violations.found
}

/** What is printed means what was read, and a parameter that was taken away is gone. */
function readCommandLine(bytes) {
  const violations = new Violations()
  const text = textOfBytes(bytes)
  const line = parseCommandLine(text)
  const printed = printCommandLine(line)
  violations.check(isDeepStrictEqual(parseCommandLine(printed), line), 'what is printed is not what was read')
  const first = line.parameters[0]?.key
  // Others have to be quoted, or cannot be named at all.
  if (first !== undefined && /^[\w.]+$/.test(first)) {
    violations.check(hasParameter(line, first), 'a parameter that is there is not found')
    violations.check(!hasParameter(removeParameter(line, first), first), 'a parameter that was taken away is there')
  }
  const isRefused = (error) => error instanceof KexecError
  answered(violations, isRefused, () => checkCommandLineText(printed))
  const longer = answered(violations, isRefused, () => appendParameters(line, 'added=1'))
  if (longer !== undefined && line.init.length === 0) {
    violations.check(hasParameter(longer, 'added'), 'a parameter that was added is not there')
  }
  return violations.found
}
