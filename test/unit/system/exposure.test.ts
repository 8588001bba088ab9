import { chmodSync, chownSync, lchownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { exposuresOf, exposureWarnings } from '../../../src/system/exposure.ts'
import { System } from '../../../src/system/system.ts'
import { makeTree } from '../entries/tree.ts'

/** A system with one kernel in /boot, whose every component is root's or ours, and writable by nobody else. */
function machine() {
  const root = makeTree({ '/boot/vmlinuz': { text: 'kernel' }, '/boot/initrd': { text: 'initrd' } })
  const host = (path: string) => join(root, path)
  for (const path of ['/boot', '/boot/vmlinuz', '/boot/initrd']) chmodSync(host(path), path === '/boot' ? 0o755 : 0o644)
  return {
    host,
    of: (path = '/boot/vmlinuz') => exposuresOf(new System(root), path).map(({ path: at, how }) => `${at} ${how}`),
    told: (...paths: string[]) => exposureWarnings(new System(root), paths),
  }
}

const everyone = 'is writable by every user'
const group = (gid: number) => `is writable by group ${gid}, or by those whom its access list names`
const isRoot = process.geteuid?.() === 0
const gid = process.getegid?.() ?? 0

describe('who could replace a file', () => {
  test('nobody', () => {
    expect(machine().of()).toEqual([])
    expect(machine().of('/boot/absent')).toEqual([])
    expect(machine().of('/nowhere/at/all')).toEqual([])
  })

  test('who may write the file, or any directory up to the root', () => {
    for (const path of ['/boot/vmlinuz', '/boot', '/']) {
      const { host, of } = machine()
      chmodSync(host(path), 0o777)
      expect(of()).toEqual([`${path} ${everyone}`])
      chmodSync(host(path), 0o775)
      expect(of()).toEqual([`${path} ${group(gid)}`])
    }
  })

  test.runIf(isRoot)('who owns the file, or any directory up to the root', () => {
    for (const path of ['/boot/vmlinuz', '/boot', '/']) {
      const { host, of } = machine()
      chownSync(host(path), 1234, 0)
      expect(of()).toEqual([`${path} belongs to user 1234`])
    }
  })

  test('in a sticky directory only who owns it, or what lies in it', () => {
    const { host, of } = machine()
    chmodSync(host('/boot'), 0o1777)
    expect(of()).toEqual([])
    if (!isRoot) return
    chownSync(host('/boot/vmlinuz'), 1234, 0)
    expect(of()).toEqual(['/boot/vmlinuz belongs to user 1234'])
    symlinkSync('initrd', host('/boot/link'))
    expect(of('/boot/link')).toEqual([])
    lchownSync(host('/boot/link'), 1234, 0)
    expect(of('/boot/link')).toEqual(['/boot/link belongs to user 1234'])
  })

  test('a link leads on to its target, absolute or not, and to the directories of that', () => {
    const { host, of } = machine()
    mkdirSync(host('/srv/kernels'), { recursive: true })
    writeFileSync(host('/srv/kernels/vmlinuz'), 'kernel')
    symlinkSync('/srv/kernels/vmlinuz', host('/boot/current'))
    symlinkSync('../srv/kernels', host('/boot/kernels'))
    for (const path of ['/boot/current', '/boot/kernels/vmlinuz', '/boot/kernels/../kernels/vmlinuz'])
      expect(of(path)).toEqual([])
    chmodSync(host('/srv'), 0o777)
    expect(of('/boot/current')).toEqual([`/srv ${everyone}`])
    expect(of('/boot/kernels/vmlinuz')).toEqual([`/srv ${everyone}`])
  })

  test('a loop of links, and a link that leads nowhere', () => {
    const { host, of } = machine()
    symlinkSync('loop', host('/boot/loop'))
    symlinkSync('absent', host('/boot/dangling'))
    expect(of('/boot/loop')).toEqual([])
    expect(of('/boot/dangling')).toEqual([])
  })
})

test('one sentence for each culprit, with all that it could replace', () => {
  const { host, told } = machine()
  chmodSync(host('/boot'), 0o777)
  chmodSync(host('/boot/vmlinuz'), 0o664)
  expect(told('/boot/vmlinuz', '/boot/initrd', '/boot/vmlinuz')).toEqual([
    `/boot ${everyone}: anyone could replace /boot/vmlinuz, /boot/initrd`,
    `/boot/vmlinuz ${group(gid)}: they could replace it`,
  ])
  expect(dirname(host('/boot'))).toBe(host('/').replace(/\/$/, ''))
})
