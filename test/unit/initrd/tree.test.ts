import { describe, expect, test } from 'vitest'
import { fileTypes } from '../../../src/initrd/cpio.ts'
import { InitrdTree } from '../../../src/initrd/tree.ts'

function tree(): InitrdTree {
  const made = new InitrdTree()
  made.add('init', fileTypes.regular | 0o755, null)
  made.add('usr', fileTypes.directory | 0o755, null)
  made.add('usr/sbin', fileTypes.directory | 0o755, null)
  made.add('sbin', fileTypes.link | 0o777, 'usr/sbin')
  return made
}

describe('what an initrd lacks for certain', () => {
  test('a path that no archive has', () => {
    expect(tree().lacks('/init')).toBe(false)
    expect(tree().lacks('/linuxrc')).toBe(true)
    expect(tree().lacks('/usr/sbin/init')).toBe(true)
  })

  test('not one behind a link, nor any where a part of the initrd is unknown', () => {
    expect(tree().lacks('/sbin/init')).toBe(false)
    const partly = tree()
    partly.isComplete = false
    expect(partly.lacks('/linuxrc')).toBe(false)
  })
})

describe('the files that an initrd has', () => {
  const made = tree()
  made.add('usr/sbin/sh', fileTypes.link | 0o777, '../sbin/./busybox')
  made.add('usr/sbin/busybox', fileTypes.regular | 0o755, null)
  made.add('dangling', fileTypes.link | 0o777, '/usr/nothing')
  made.add('circle', fileTypes.link | 0o777, 'circle')

  test.each([
    ['/init', true],
    ['/sbin/sh', true],
    ['/usr/sbin/sh', true],
    ['/sbin', false],
    ['/sbin/bash', false],
    ['/dangling', false],
    ['/circle', false],
    ['/init/below', false],
  ])('%s: %s', (path, has) => expect(made.hasFile(path)).toBe(has))

  test('nothing is missing for certain where a part is unknown', () => {
    const partly = tree()
    partly.isComplete = false
    expect(partly.hasFile('/bin/sh')).toBe(true)
    expect(partly.hasFile('/sbin')).toBe(false)
  })
})
