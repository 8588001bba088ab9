#!/usr/bin/env node
// npm run test:fresh [-- options] [-- vitest arguments]
// The README's two commands from nothing: makes minimal Debian roots with Debian's nodejs and npm, clones this repository into
// them, and runs `npm run demo` and `npm test` there, as root and as a user with sudo. Needs root: it mounts and it calls chroot.
// The roots are removed afterwards, and their mounts are in a namespace of their own. No process in them ever has CAP_SYS_BOOT,
// so that nothing there can load a kernel or reboot, whatever it does.
import { execFileSync } from 'node:child_process'
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { endPlainly } from './failure.mjs'
import { layRoot, makeRoot } from './fresh-root.mjs'
import { fail, installFor, newerNode, requireNode, root, say } from './setup.mjs'

const usage = `npm run test:fresh -- [options] [-- vitest arguments]
  --suite NAME    bookworm, trixie or sid; may be repeated (default: all)
  --user NAME     root, or sudo for a user who has that; may be repeated (default: both)
  --command NAME  demo or test; may be repeated (default: both)
  --directory DIR where the roots are made, some 4 GB each (default: ${tmpdir()})
  --bases DIR     keep each root as it was made in DIR/SUITE, and take it from there the next time
  --keep          leave all other roots, too
  -- …            what \`npm test\` gets: --project unit (default: everything, some 40 minutes for each root)`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    suite: { type: 'string', multiple: true, default: ['bookworm', 'trixie', 'sid'] },
    user: { type: 'string', multiple: true, default: ['root', 'sudo'] },
    command: { type: 'string', multiple: true, default: ['demo', 'test'] },
    directory: { type: 'string', default: tmpdir() },
    bases: { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(usage)
  process.exit(0)
}
const commands = {
  demo: ['npm', 'run', 'demo'],
  test: ['npm', 'test', ...(positionals.length > 0 ? ['--', ...positionals] : [])],
}
const unknown = values.command.filter((name) => !Object.hasOwn(commands, name))
if (unknown.length > 0 || values.user.some((user) => user !== 'root' && user !== 'sudo')) fail(usage)
endPlainly('test-fresh')
requireNode()
if (process.getuid() !== 0) fail('This needs root, to mount and to chroot. Run it as root, or with sudo.')
installFor('fresh')

const logs = join(root, 'build/fresh')
mkdirSync(logs, { recursive: true })
const directory = mkdtempSync(join(values.directory, 'linux-kexec-fresh-'))
const results = []
try {
  for (const suite of values.suite) {
    const base = join(values.bases ?? directory, suite)
    if (!existsSync(base)) {
      say(`making a minimal Debian ${suite}`)
      makeRoot(suite, `${base}.unfinished`)
      renameSync(`${base}.unfinished`, base)
    }
    for (const user of values.user) await tryIn(suite, base, user)
    if (!values.keep && values.bases === undefined) rmSync(base, { recursive: true })
  }
} finally {
  if (values.keep) say(`the roots are in ${directory}`)
  else rmSync(directory, { recursive: true, force: true })
}
for (const { what, passed, log } of results) console.log(`${passed ? '✓' : '✗'} ${what}${passed ? '' : `: see ${log}`}`)
const failed = results.filter(({ passed }) => !passed).length
console.log(`${results.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 && results.length > 0 ? 0 : 1

/** Each user gets a root in which nobody has installed anything yet. */
async function tryIn(suite, base, user) {
  const place = join(directory, `${suite}-${user}`)
  execFileSync('cp', ['-a', base, place])
  const machine = layRoot(place, user === 'root' ? null : 'tester')
  await upgradeNode(suite, user, machine)
  for (const name of values.command)
    await attempt(`${suite}, ${user}: ${commands[name].join(' ')}`, machine, commands[name])
  if (!values.keep) rmSync(place, { recursive: true })
}

/** Debian 12 has Node 18: the commands are to say so, and what they say is to help. */
async function upgradeNode(suite, user, machine) {
  const version = await machine.run(['node', '--version'])
  const major = Number(/^v(\d+)/.exec(version.output)?.[1])
  if (major >= 20) return
  const upgrade = machine.isRoot ? newerNode : ['sudo', ...newerNode]
  await attempt(
    `${suite}, ${user}: Node ${major} is refused with what to do`,
    machine,
    commands.demo,
    ({ status, output }) => {
      const plain = !/^\s+at /m.test(output)
      return status === 1 && plain && output.includes(upgrade.join(' '))
    },
  )
  await attempt(`${suite}, ${user}: ${upgrade.join(' ')}`, machine, upgrade)
}

async function attempt(what, machine, command, isRight = ({ status }) => status === 0) {
  const log = join(logs, `${what.replaceAll(/[^a-z0-9]+/gi, '-')}.log`)
  const started = performance.now()
  say(`${what} … (${log})`)
  const result = await machine.run(command, createWriteStream(log))
  const passed = isRight(result)
  const last = result.output.trimEnd().split('\n')
  const seconds = Math.round((performance.now() - started) / 1000)
  say(`${what}: ${passed ? 'passed' : 'FAILED'} after ${seconds} s${passed ? `: ${last.at(-1)}` : ''}`)
  if (!passed)
    console.log(
      last
        .slice(-20)
        .map((line) => `    ${line}`)
        .join('\n'),
    )
  results.push({ what, passed, log })
}
