import { expect, test } from 'vitest'
import { changed, healthy, watchdog } from '../doctor/healthy.ts'
import { makeMachine } from '../plan/debian.ts'
import { cli, json, shown } from './cli.ts'

test('all is well: one screen, a line a check, exit status 0', async () => {
  const root = makeMachine(healthy)
  const { status, stderr } = await cli(['doctor', '--root', root])
  expect([status, stderr]).toEqual([0, ''])
  const lines = (await shown(`doctor --root ${root}`)).trimEnd().split('\n')
  expect(lines.length).toBeLessThanOrEqual(25)
  for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80)
  const checks = lines.slice(0, lines.indexOf(''))
  for (const line of checks) expect(line).toMatch(/^(ok {7}[a-z-]+ | {26})/)
  expect(lines.at(-1)).toBe('A kexec would work.')
})

test('a warning says what to do; the exit status is still 0', async () => {
  const root = makeMachine(changed(watchdog('active')))
  expect((await cli(['doctor', '--root', root])).status).toBe(0)
  const stdout = await shown(`doctor --root ${root}`)
  expect(stdout).toContain(`
warning  watchdog         watchdog0 (i6300ESB timer) runs: it resets the machine
                          unless it is fed within 30 s.
`)
  expect(stdout).toContain('\n                          do: fuser -v /dev/watchdog0')
  expect(stdout.trimEnd().split('\n').at(-1)).toBe('A kexec would work; see the warnings.')
})

test('a problem ends with status 3, and what was read stands below it', async () => {
  const root = makeMachine(changed({ '/proc/sys/kernel/kexec_load_disabled': { text: '1\n' } }))
  const { status, stdout } = await cli(['doctor', '--root', root])
  expect(status).toBe(3)
  expect(stdout).toMatch(/^problem {2}load-switch {6}Loading is switched off/m)
  expect(stdout).toContain('\n                          /proc/sys/kernel/kexec_load_disabled: 1\n')
  const { status: same, document } = await json(['doctor', '--root', root])
  expect([same, document.verdict, document.root]).toEqual([3, 'problem', root])
})

test('the files of a system that does not run: what cannot be told stands in one place', async () => {
  const files = Object.fromEntries(Object.entries(healthy).filter(([path]) => /^\/(?:boot|usr|etc)\//.test(path)))
  const { stdout } = await cli(['doctor', '--root', makeMachine(files)])
  expect(stdout).not.toMatch(/^unknown/m)
  expect(stdout.replace(/\s+/g, ' ')).toMatch(
    /The system in \S+ is not running, so these were not checked: kexec-file-load, /,
  )
})

test('hostile names stay on their line and move no cursor', async () => {
  const name = '/sys/class/watchdog/watchdog0/identity'
  const root = makeMachine(changed(watchdog('active'), { [name]: { text: 'a\x1b[2J\x07\nok       kexec' } }))
  const { stdout } = await cli(['doctor', '--root', root])
  expect(stdout).toContain('\\x1b')
})
