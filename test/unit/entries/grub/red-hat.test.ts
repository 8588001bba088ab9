import { expect, test } from 'vitest'
import { fixtureSystem } from '../fixtures.ts'
import { readSentences } from '../sentences.ts'
import { identify } from '../tree.ts'

/** Debian's GRUB has no blscfg, so no judge can be asked: what is expected here is what Red Hat's GRUB documents. */
async function menuOf(name: string) {
  const { entries, loaders, problems } = await readSentences({ system: fixtureSystem(name), identify })
  const preset = entries.find(({ isDefault }) => isDefault)
  const inCharge = loaders.find((loader) => loader.inCharge)
  return { entries, problems, preset, inCharge }
}

test('Fedora: newest first, the rescue kernel last, and the default that grubenv names', async () => {
  const { entries, problems, preset, inCharge } = await menuOf('fedora-39')
  const machine = '5d41402abc4b2a76b9719d911017c592'
  expect(entries.map(({ id, sources }) => [id, sources])).toEqual([
    [`${machine}-6.7.9-200.fc39.x86_64`, ['bls', 'boot-dir']],
    [`${machine}-6.5.6-300.fc39.x86_64`, ['bls', 'boot-dir']],
    [`${machine}-0-rescue`, ['bls', 'boot-dir']],
    ['uefi-firmware', ['grub']],
  ])
  expect(inCharge).toMatchObject({ source: 'grub', reason: 'saved_entry in /boot/grub2/grubenv names it' })
  expect(preset).toMatchObject({
    version: '6.5.6-300.fc39.x86_64',
    kernel: '/boot/vmlinuz-6.5.6-300.fc39.x86_64',
    initrds: ['/boot/initramfs-6.5.6-300.fc39.x86_64.img'],
    commandLine: 'root=UUID=c9f0f895-fb98-4a1b-9d2e-1f2a3b4c5d62 ro rootflags=subvol=root rhgb quiet',
    problems: [],
  })
  expect(entries.find(({ isNewest }) => isNewest)?.version).toBe('6.7.9-200.fc39.x86_64')
  expect(problems).toEqual([])
})

test('RHEL 9: variables of grubenv in the options, 427 above 70, and the newest by default', async () => {
  const { entries, preset } = await menuOf('rhel-9')
  expect(entries.slice(0, 3).map(({ version }) => version)).toEqual([
    '5.14.0-427.13.1.el9_4.x86_64',
    '5.14.0-362.8.1.el9_3.x86_64',
    '5.14.0-70.13.1.el9_0.x86_64',
  ])
  expect(preset?.version).toBe('5.14.0-427.13.1.el9_4.x86_64')
  expect(preset?.initrds).toEqual(['/boot/initramfs-5.14.0-427.13.1.el9_4.x86_64.img'])
  expect(preset?.commandLine).toMatch(/ rhgb quiet isolcpus=1-3 nohz_full=1-3$/)
})
