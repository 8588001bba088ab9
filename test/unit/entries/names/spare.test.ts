import { expect, test } from 'vitest'
import { isRecovery } from '../../../../src/entries/names/spare.ts'

test.each([
  'root=/dev/sda1 ro single',
  'root=/dev/sda1 "single"',
  'ro -- S',
  'ro 1 quiet',
  'rd.break=pre-mount',
  'rd.break',
  'init=/bin/bash',
  'init="/bin/sh"',
  'systemd.unit=rescue.target',
  'rd.systemd.unit=emergency.target',
  'systemd.factory-reset=yes',
])('a request for repairs: %s', (commandLine) => {
  expect(isRecovery({ commandLine })).toBe(true)
})

test.each([
  null,
  '',
  'root=/dev/sda1 ro quiet',
  'single=yes',
  'recovery=UUID=1',
  'root="LABEL=my single disk"',
  'init=/bin/bash.wrapper',
  'systemd.unit=graphical.target',
  'xrd.break',
])('no request for repairs: %s', (commandLine) => {
  expect(isRecovery({ commandLine })).toBe(false)
})
