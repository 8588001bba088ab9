import { expect, test } from 'vitest'
import { execute, ProvisionError } from '../../../../src/vm/host/process.ts'

test('a program that is not installed: what to install', async () => {
  const error = await execute('/nonexistent/program', []).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ProvisionError)
  const { message, hint } = error as ProvisionError
  expect(message.split('\n')).toEqual(['/nonexistent/program is not installed', hint])
  expect(hint).toMatch(/apt-get install .*xz-utils/)
})

test('a program that fails: its last words', async () => {
  await expect(execute('sh', ['-c', 'echo no such disk >&2; exit 3'])).rejects.toThrow(
    'sh -c ended with status 3: no such disk',
  )
})
