import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readBootMenu } from '../../../../src/entries/discover.ts'
import { fixtureSystem } from '../fixtures.ts'

test('GRUB waits for a key without a timeout, and with one that is no number', async () => {
  const system = fixtureSystem('debian-three-kernels')
  const config = join(system.root, 'boot/grub/grub.cfg')
  const text = readFileSync(config, 'utf8')
  const waitsWith = async (setting: string) => {
    writeFileSync(config, text.replaceAll(/set timeout=\d+/g, setting))
    return (await readBootMenu({ system })).loaders[0]?.waits
  }
  for (const timeout of ['0', '5', '0x10', ' 7s'])
    expect(await waitsWith(`set timeout="${timeout}"`), timeout).toBe(null)
  expect(await waitsWith('set timeout=-1')).toBe("timeout is '-1' in /boot/grub/grub.cfg, so GRUB waits for a key")
  expect(await waitsWith('true')).toBe('/boot/grub/grub.cfg sets no timeout, so GRUB waits for a key')
  expect(await waitsWith('probe --set=label -l (hd7,gpt1)\nset timeout=$label\n')).toBe(
    'whether GRUB waits for a key depends on what (hd7,gpt1) is',
  )
})
