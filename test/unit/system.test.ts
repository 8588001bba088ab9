import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { System } from '../../src/system/system.ts'

let root: string
let system: System
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'linux-kexec-system-'))
  mkdirSync(join(root, 'etc'))
  mkdirSync(join(root, 'boot'))
  writeFileSync(join(root, 'etc/passwd'), 'inside\n')
  symlinkSync('/etc/passwd', join(root, 'boot/absolute'))
  symlinkSync('../../../../../../etc/passwd', join(root, 'boot/climbing'))
  symlinkSync('loop', join(root, 'boot/loop'))
  symlinkSync('/etc', join(root, 'boot/directory'))
  symlinkSync('nowhere', join(root, 'boot/dangling'))
  system = new System(root)
})
afterAll(() => rmSync(root, { recursive: true }))

test('links never lead out of the root', () => {
  for (const path of [
    '/boot/absolute',
    '/boot/climbing',
    '/boot/directory/passwd',
    '/boot/directory/../etc/passwd',
    '/../../etc/passwd',
  ]) {
    expect(system.readText(path), path).toBe('inside\n')
  }
})

test('a circle of links is an error, not a hang', () => {
  expect(() => system.resolve('/boot/loop')).toThrow(expect.objectContaining({ code: 'ELOOP' }))
  expect(system.readText('/boot/loop')).toBeUndefined()
})

test('a name is there even when it leads nowhere', () => {
  expect(system.exists('/boot/dangling')).toBe(true)
  expect(system.stat('/boot/dangling')).toBeUndefined()
  expect(system.readLink('/boot/dangling')).toBe('nowhere')
  expect(system.exists('/boot/nothing')).toBe(false)
})

test('what is absent reads as nothing', () => {
  expect(system.list('/nothing')).toEqual([])
  expect(system.readText('/nothing')).toBeUndefined()
  expect(system.runningRelease()).toBeUndefined()
})

test('/proc files, which tell no size, are read to their end', () => {
  expect(new System().readText('/proc/self/mountinfo')?.split('\n').length).toBeGreaterThan(1)
  expect(new System().readText('/proc/self/status')).toMatch(/CapEff/)
})
