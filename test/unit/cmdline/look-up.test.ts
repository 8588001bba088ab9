import { describe, expect, test } from 'vitest'
import { hasParameter, lastParameter, parametersNamed } from '../../../src/cmdline/look-up.ts'
import { parseCommandLine } from '../../../src/cmdline/parse.ts'
import { wantsKaslr } from '../../../src/engine/layout/x86_64/kaslr.ts'

describe('a parameter is looked up as the kernel compares it', () => {
  test.each([
    ['kvm-arm.mode=protected'],
    ['kvm_arm.mode=protected'],
    ['"kvm-arm.mode=protected"'],
    ['kvm-arm.mode="protected"'],
    ['"kvm_arm.mode=protected"'],
    ['kvm-arm.mode=nvhe kvm_arm.mode=protected'],
    ['quiet\tkvm-arm.mode=protected\n'],
  ])('%j has kvm-arm.mode=protected', (line) => {
    expect(lastParameter(line, 'kvm-arm.mode')?.value).toBe('protected')
    expect(lastParameter(line, 'kvm_arm.mode')?.value).toBe('protected')
  })

  test.each([
    ['kvm-arm.mode=protected kvm_arm.mode=nvhe'],
    ['-- kvm-arm.mode=protected'],
    ['dyndbg="file a.c kvm-arm.mode=protected"'],
    ['Kvm-arm.mode=protected'],
    ['kvm-arm.modes=protected'],
  ])('%j has not', (line) => {
    expect(lastParameter(line, 'kvm-arm.mode')?.value).not.toBe('protected')
  })

  test('all of one name come in order; a parsed line does as well as its text', () => {
    const line = 'a=1 b a=2 -- a=3'
    expect(parametersNamed(line, 'a').map(({ value }) => value)).toEqual(['1', '2'])
    expect(parametersNamed(parseCommandLine(line), 'a')).toEqual(parametersNamed(line, 'a'))
    expect(parametersNamed(undefined, 'a')).toEqual([])
  })

  test('with a value asked for, it is the value that decides', () => {
    expect(hasParameter('mem_encrypt=off', 'mem_encrypt')).toBe(true)
    expect(hasParameter('mem_encrypt=off', 'mem_encrypt', 'on')).toBe(false)
    expect(hasParameter('"mem-encrypt=on"', 'mem_encrypt', 'on')).toBe(true)
  })

  test('nokaslr counts in quotes, and not when it is for init', () => {
    expect(wantsKaslr('"nokaslr" quiet')).toBe(false)
    expect(wantsKaslr('quiet -- nokaslr')).toBe(true)
    expect(wantsKaslr('nokaslr2')).toBe(true)
  })
})
