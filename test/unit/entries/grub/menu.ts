import { System } from '../../../../src/system/system.ts'
import { readSentences, type SentencedEntry } from '../sentences.ts'
import { files, identify, kernels, makeTree, type Tree } from '../tree.ts'

const machine: Tree = {
  ...kernels('/boot', 'vmlinuz-', '6.1.0', '6.12.0'),
  ...files('initrd', '/boot/initrd.img-6.1.0', '/boot/initrd.img-6.12.0'),
}

/** What a machine of two kernels, with this configuration of GRUB, has of GRUB's entries. */
export async function menuOf(script: string, more: Tree = {}) {
  const tree = { ...machine, '/boot/grub/grub.cfg': { text: script }, ...more }
  const menu = await readSentences({ system: new System(makeTree(tree)), identify })
  return { ...menu, entries: menu.entries.filter(({ sources }) => sources.includes('grub') || sources.includes('bls')) }
}

/** The entry with this body. */
export async function entryOf(body: string, before = '', more: Tree = {}): Promise<SentencedEntry> {
  const { entries } = await menuOf(`${before}\nmenuentry 'the entry' {\n${body}\n}\n`, more)
  return entries[0] as SentencedEntry
}

export const linux = 'linux /boot/vmlinuz-6.1.0'

/** An environment block as grub-editenv writes it. */
export function block(text: string): { readonly text: string } {
  return { text: `# GRUB Environment Block\n${text}`.padEnd(1024, '#') }
}
