import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as described from '../../../src/policy/causes/causes.ts'

const causes: readonly described.Cause[] = [
  described.noCapability(0),
  described.noCapability(1000),
  described.otherUserNamespace,
  described.otherPidNamespace,
  described.loadingDisabled(null),
  described.limitUsedUp(false, null),
  described.limitUsedUp(true, null),
  described.lockedDown('integrity'),
  described.lockedAgainstSegments('integrity'),
  described.imaAgainstFile(null),
  described.imaAgainstSegments(true),
  described.seccompFilter,
  described.securityModule('AppArmor'),
  described.noSuchCall('kexec_file_load'),
  described.noSuchCall('kexec_load'),
  described.signatureRejected('ENOKEY', 'Load another.') as described.Cause,
]

const rows = new Map(
  readFileSync('docs/errors.md', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const reason = /^\| `([a-z-]+)` \|/.exec(line)?.[1]
      return reason === undefined ? [] : [[reason, line] as const]
    }),
)

test.each(causes.map((cause) => [cause.name, cause] as const))('docs/errors.md names where %s is read', (_, cause) => {
  for (const source of cause.sources) {
    // The table writes the second limit short.
    const written = source.replace('/proc/sys/kernel/kexec_load_limit_panic', '…_panic')
    expect(rows.get(cause.reason)).toContain(`\`${written}\``)
  }
  expect(cause.sources).not.toHaveLength(0)
})

test.each(causes)('$reason: a summary that goes on after another, and a remedy of whole sentences', (cause) => {
  expect(cause.summary).not.toMatch(/^[A-Z](?!MA\b|AP_|ppArmor)|\.$/)
  expect(cause.remedy).toMatch(/^[A-Z].*\.$/)
})

test('an errno that is not about signatures has no cause among them', () => {
  expect(described.signatureRejected('EPERM', '')).toBeUndefined()
  expect(described.signatureRejected('EPERM', '', 'whatever')).toBeUndefined()
})

test.each([
  'ENODATA',
  'ENOKEY',
  'EKEYEXPIRED',
  'EKEYREVOKED',
  'EKEYREJECTED',
  'ELIBBAD',
  'EBADMSG',
  'ENOPKG',
  'EMSGSIZE',
])('%s is about the signature, and has a meaning', (code) => {
  expect(described.signatureRejected(code, 'Load another.')).toMatchObject({
    reason: 'signature-rejected',
    code,
    summary: expect.stringMatching(/\bsign/),
  })
})

test('a lockdown whose level is unknown is named without one', () => {
  for (const state of [null, 'none']) {
    const { name, summary } = described.lockedDown(state)
    expect(`${name} ${summary}`).not.toMatch(/null|none/)
  }
  expect(described.lockedDown('integrity').summary).toContain('(integrity)')
})
