import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { machineForFile } from './guests.ts'

const machine = machineForFile({ memory: 1536 }, { userland: 'systemd' })

/** The fenced block of README.md behind `<!-- test: NAME -->`. */
function block(name: string): string {
  const readme = readFileSync('README.md', 'utf8')
  const text = new RegExp(`<!-- test: ${name} -->\\s*\`\`\`\\w*\\n([\\s\\S]*?)\`\`\``).exec(readme)?.[1]
  if (text === undefined) throw new Error(`README.md has no block marked "test: ${name}"`)
  return text
}

/** A directory in the guest where `linux-kexec` can be imported. */
const project = `mkdir -p /root/app/node_modules && cd /root/app && ln -sfn /usr/lib/node_modules/linux-kexec node_modules/linux-kexec`

test('the API lines of the README run as they stand', async () => {
  const { status, stderr } = await machine.vm.run(
    `${project}\ncat > readme.mjs <<'END'\n${block('api')}END\nnode readme.mjs`,
  )
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
})

test('the example boot-newest says what it would do', async () => {
  const example = readFileSync('examples/boot-newest.mjs', 'utf8')
  const { status, stdout, stderr } = await machine.vm.run(
    `${project}\ncat > example.mjs <<'END'\n${example}END\nnode example.mjs --dry-run`,
  )
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toContain('would hand over to systemd')
})

test('the command lines of the README run as they stand, and end in the newer kernel', async () => {
  const commands = block('cli').trim().split('\n')
  const last = commands.pop() as string
  for (const command of commands) {
    const { status, stderr } = await machine.vm.run(command)
    expect({ command, status, stderr }).toEqual({ command, status: 0, stderr: '' })
  }
  expect(last).toMatch(/^linux-kexec reboot/)
  await machine.vm.spawn(last)
  expect((await machine.vm.booted()).release).toBe(machine.newer)
})
