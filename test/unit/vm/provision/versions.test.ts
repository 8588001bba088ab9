import { expect, test } from 'vitest'
import { compareDebianVersions } from '../../../../src/vm/provision/versions.ts'

test("versions have Debian's order", () => {
  // Each older than the next; dpkg --compare-versions agrees.
  const ascending = [
    '5.10.0-30',
    '6.1~rc1',
    '6.1',
    '6.1.0-9',
    '6.1.0-50',
    '6.1.0-57',
    '6.12',
    '6.12.9',
    '6.12.9+deb13',
    '6.12.86+deb13',
    '6.12.101+deb12',
    '6.12.101+deb13',
    '6.12.101+deb13+1',
    '7.0~exp1',
    '7.0a',
    '7.0+a',
    '7.0.1',
  ]
  for (const [index, one] of ascending.entries()) {
    for (const [place, other] of ascending.entries()) {
      const order = Math.sign(compareDebianVersions(one, other))
      expect(order, `${one} and ${other}`).toBe(Math.sign(index - place))
    }
  }
})
