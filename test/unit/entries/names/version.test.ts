import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareKernelVersions, compareVersions } from '../../../../src/entries/names/version.ts'

/** The examples of the specification, version 1.0. */
test.each([
  ['11', '=', '11'],
  ['systemd-123', '=', 'systemd-123'],
  ['bar-123', '<', 'foo-123'],
  ['123a', '>', '123'],
  ['123.a', '>', '123'],
  ['123.a', '<', '123.b'],
  ['123a', '>', '123.a'],
  ['11α', '=', '11β'],
  ['A', '<', 'a'],
  ['B', '<', 'a'],
  ['', '<', '0'],
  ['0.', '>', '0'],
  ['0.0', '>', '0'],
  ['0', '>', '~'],
  ['', '>', '~'],
  ['1_', '=', '1'],
  ['_1', '=', '1'],
  ['1_', '<', '1.2'],
  ['1_2_3', '>', '1.3.3'],
  ['1+', '=', '1'],
  ['+1', '=', '1'],
  ['1+', '<', '1.2'],
  ['1+2+3', '>', '1.3.3'],
  // As `systemd-analyze compare-versions` (252) says.
  ['0', '>', 'a'],
  ['^', '<', '.'],
  ['10_^', '>', '^1'],
  ['0.~~', '>', 'ab0'],
  ['007', '=', '7'],
  ['18446744073709551617', '>', '18446744073709551616'],
  ['123-a', '<', '123-3'],
  ['123~', '<', '123'],
  ['12_3', '<', '123'],
])('specification: %s %s %s', (one, relation, other) => {
  const expected = { '<': -1, '=': 0, '>': 1 }[relation]
  expect(Math.sign(compareVersions(one, other))).toBe(expected)
  expect(Math.sign(compareVersions(other, one)) + 0).toBe(0 - (expected as number) + 0)
})

test('specification: the list of examples is in order', () => {
  const versions = '122.1 123~rc1-1 123 123-a 123-a.1 123-1 123-1.1 123^post1 123.a-1 123.1-1 123a-1 124-1'.split(' ')
  expectInOrder(versions, compareVersions)
})

/** Each list from oldest to newest. */
describe('kernels of one distribution, oldest first', () => {
  test.each([
    [
      'Debian',
      '4.9.0-9-amd64 4.9.0-12-amd64 4.9.0-13-amd64 6.1.0-9-amd64 6.1.0-56-cloud-amd64 6.12.115+deb12-cloud-amd64 6.12.117+deb12-cloud-amd64 7.2.3+deb14-amd64',
    ],
    ['Debian experimental', '6.8.12-amd64 6.9-rc4-amd64 6.9-amd64 6.9.2-amd64 6.10-rc1-amd64'],
    ['Fedora', '6.9.12-200.fc40.x86_64 6.11.4-201.fc40.x86_64 6.11.4-301.fc41.x86_64 6.11.10-300.fc41.x86_64'],
    ['Fedora Rawhide', '6.12.0-0.rc3.20241018git4d939780b705.30.fc42.x86_64 6.12.0-64.fc42.x86_64'],
    ['RHEL', '5.14.0-70.el9.x86_64 5.14.0-427.el9.x86_64 5.14.0-427.13.1.el9_4.x86_64 5.14.0-427.16.1.el9_4.x86_64'],
    ['CentOS 5', '2.6.18-8.el5 2.6.18-194.11.3.el5 2.6.18-194.11.4.el5'],
    ['Ubuntu', '6.8.0-9-generic 6.8.0-49-generic 6.8.0-50-generic 6.11.0-8-generic'],
    ['Ubuntu mainline', '6.8.12-060812-generic 6.9.0-060900rc1-generic 6.9.0-060900rc7-generic 6.9.0-060900-generic'],
    ['Arch', '6.10.10-arch1-1 6.11.5-arch1-1 6.11.5-arch1-2 6.11.5-arch2-1'],
    ['Gentoo', '6.6.9-gentoo 6.6.58-gentoo 6.6.58-gentoo-r1 6.6.58-gentoo-r2'],
    ['Void', '6.6.9_1 6.6.58_1 6.6.58_2 6.11.5_1'],
    ['Alpine', '6.6.9-0-lts 6.6.58-0-lts 6.6.58-1-lts'],
    ['openSUSE', '6.9.9-1-default 6.11.3-1-default 6.11.3-2-default 6.11.5-1-default'],
    ['kernel.org', '6.8.12 6.9.0-rc1 6.9.0-rc2-00012-gabcdef012345 6.9.0-rc10 6.9.0 6.9.0-dirty 6.9.1'],
  ])('%s', (_name, list) => {
    expectInOrder(list.split(' '), compareKernelVersions)
  })
})

test('it is an order: antisymmetric and transitive', () => {
  const version = fc
    .array(fc.constantFrom('~', '-', '^', '.', '_', '+', '0', '1', '10', '01', 'a', 'ab', 'B', 'rc1', 'é'), {
      maxLength: 6,
    })
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      expect(Math.sign(compareVersions(a, b)) + Math.sign(compareVersions(b, a))).toBe(0)
      expect(compareVersions(a, a)).toBe(0)
      if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) expect(compareVersions(a, c)).toBeLessThanOrEqual(0)
    }),
    { numRuns: 5000 },
  )
})

function expectInOrder(versions: string[], compare: (one: string, other: string) => number): void {
  for (const [index, older] of versions.entries())
    for (const newer of versions.slice(index + 1)) {
      expect([older, newer, Math.sign(compare(older, newer)), Math.sign(compare(newer, older))]).toEqual([
        older,
        newer,
        -1,
        1,
      ])
    }
}
