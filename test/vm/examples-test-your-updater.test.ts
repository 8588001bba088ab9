import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { untested } from '../untested.ts'
import { tarball } from './guests.ts'

// docs/test-your-updater.md, in a copy of its example: a project of a stranger, who has no more of ours than the tarball.

const project = mkdtempSync(join(tmpdir(), 'linux-kexec-example-'))
afterAll(() => rmSync(project, { recursive: true }))

/** As in a shell of its own: vitest in vitest must not see that it is. */
const environment = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_ENV$|TEST$)/.test(name))),
  NO_COLOR: '1',
}

interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

async function run(command: string): Promise<Ended> {
  const [program = '', ...given] = command.split(/ +/)
  try {
    const options = { cwd: project, env: environment, maxBuffer: 2 ** 26 }
    return { status: 0, ...(await promisify(execFile)(program, given, options)) }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { status: code, stdout, stderr }
  }
}

/** What the page tells its reader to type. */
const page = readFileSync('docs/test-your-updater.md', 'utf8')
const commands = /<!-- test: commands -->\s*```sh\n([\s\S]*?)```/
  .exec(page)?.[1]
  ?.split('\n')
  .map((line) => line.replace(/ +#.*/, ''))
  .filter((line) => line !== '')
const [install = '', checkTypes = '', runTests = ''] = commands ?? []

let isInstalled = false
beforeAll(async () => {
  cpSync('examples/test-your-updater', project, {
    recursive: true,
    filter: (source) => !/\/(node_modules|package-lock\.json)$/.test(source),
  })
  expect(await run(`npm pkg set dependencies.linux-kexec=file:${resolve(tarball)}`)).toMatchObject({ status: 0 })
  const { status, stderr } = await run(install)
  isInstalled = status === 0
  if (!isInstalled) untested(`the example that tests an updater needs packages of the npm registry: ${stderr}`)
})

test('the page has three commands', () => {
  expect(commands).toEqual(['npm install', 'npx tsc', 'npx vitest run'])
})

test('the types are right, those of the matchers among them', async (context) => {
  context.skip(!isInstalled)
  expect(await run(checkTypes)).toMatchObject({ status: 0, stdout: '' })
  writeFileSync(
    join(project, 'wrong.ts'),
    `import { expect } from 'vitest'
import { vmTest } from 'linux-kexec/vm/vitest'
vmTest({}, { scope: 'file' })('wrong', async ({ vm }) => {
  await expect(vm).toHaveKexecedInto(612)
  await expect(vm).toHaveOutcome('crashed')
  vm.bootd()
})
`,
  )
  const { stdout } = await run(checkTypes)
  rmSync(join(project, 'wrong.ts'))
  expect(stdout.match(/^wrong\.ts\(\d+/gm)).toEqual(['wrong.ts(4', 'wrong.ts(5', 'wrong.ts(6'])
})

test('the updater passes its tests', async (context) => {
  context.skip(!isInstalled)
  const { status, stdout, stderr } = await run(runTests)
  expect(status, stdout + stderr).toBe(0)
  expect(stdout).toMatch(/Tests +2 passed/)
})

test('a test that fails shows the console of its machine in its error', async (context) => {
  context.skip(!isInstalled)
  writeFileSync(
    join(project, 'fails.test.ts'),
    `import { buildGuest, newestKernels } from 'linux-kexec/vm'
import { vmTest } from 'linux-kexec/vm/vitest'
import { expect } from 'vitest'

let pid: number | undefined
const test = vmTest(async () => ({ guest: await buildGuest({ kernels: await newestKernels(), node: false }) }))

test('it was the firmware', async ({ vm, boot }) => {
  pid = vm.pid
  await vm.run('echo spoken > /dev/console')
  await expect.poll(() => vm.consoleTail(), { timeout: 60_000 }).toContain('spoken')
  await expect(boot).toHaveKexecedInto(boot.release)
})

test('no machine is left', () => {
  expect(() => process.kill(pid as number, 0)).toThrow('ESRCH')
})
`,
  )
  const { status, stdout } = await run('npx vitest run --reporter=json fails.test.ts')
  expect(status).toBe(1)
  const { testResults } = JSON.parse(stdout) as {
    testResults: { assertionResults: { status: string; failureMessages: string[] }[] }[]
  }
  const [failed, passed] = testResults[0]?.assertionResults ?? []
  expect(failed?.failureMessages[0]).toMatch(
    /expected a kexec into (\S+), but \1 came up, started by the firmware\nThe console ended with:\n[\s\S]* Linux version \1 [\s\S]*\n {2}spoken\n/,
  )
  expect(passed?.status).toBe('passed')
})
