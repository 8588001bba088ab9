import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { debian, makeMachine, newer } from '../plan/debian.ts'
import { cli, json } from './cli.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/iterate-on-a-test-kernel.md'), 'utf8')

/** The words of each call on the page, as a shell takes them. */
const calls = [...page.matchAll(/^linux-kexec ((?:.*\\\n)*.*)$/gm)].map(([, words = '']) =>
  execFileSync('sh', ['-c', `printf '%s\\n' ${words}`], { encoding: 'utf8' })
    .trimEnd()
    .split('\n'),
)
const callOf = (name: string) => calls.find(([command]) => command === name)?.slice(1) ?? []

/** The build directory, as the root of a machine that was booted with retain_initrd. */
const root = () =>
  makeMachine({
    ...debian,
    '/arch/x86/boot/bzImage': { kernel: newer },
    '/out/lib/modules/6.0.0/modules.dep': { text: '' },
    '/run-test': { text: 'uname -r\n' },
    '/sys/firmware/initrd': 'initrd',
  })

test('the load of docs/iterate-on-a-test-kernel.md is a plan without a refusal', async () => {
  const { document, status } = await json(['plan', ...callOf('load'), '--root', root()])
  expect(document.refusals).toEqual([])
  expect(status).toBe(0)
  expect(document.initrds).toEqual(['/sys/firmware/initrd'])
})

test('so is its rehearsal, and that of its bisection is the same', async () => {
  const words = callOf('rehearse')
  expect(words.slice(-2)).toEqual(['--init', 'sh /run-test'])
  const { document } = await json(['plan', ...words.slice(0, -2), '--root', root()])
  expect(document.refusals).toEqual([])
  const bisected = /exec linux-kexec rehearse (.*?) --bisect'/s.exec(page)?.[1] ?? ''
  const plain = bisected.replace(/\\\n\s*/, '').replaceAll('"', "'")
  expect(page.replace(/\\\n\s*/g, '').replace('--overlay out/lib/modules:/lib/modules ', '')).toContain(plain)
})

test('its other commands are there', async () => {
  for (const name of ['reboot', 'last']) {
    expect(calls.map(([command]) => command)).toContain(name)
    expect((await cli([name, '--help'])).status).toBe(0)
  }
})
