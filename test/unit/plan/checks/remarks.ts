import { sortFindings } from '../../../../src/plan/findings.ts'
import type { Remark } from '../../../../src/plan/model/remark.ts'

/** What people read of the remarks: of a refusal its sentence and its remedy. */
export function said(remarks: readonly Remark[]) {
  const { refusals, warnings, unchecked } = sortFindings([], remarks)
  return {
    refusals: refusals.map(({ summary, hint }) => `${summary}. ${hint}`),
    warnings: warnings.map(({ code, text }) => `${code}: ${text}`),
    unchecked: unchecked.map(({ code, text }) => `${code}: ${text}`),
  }
}

/** The head of an EFI zboot image that is packed with lzo, which is not unpacked here. */
export function lzoZboot(): Buffer {
  const zboot = Buffer.alloc(8192)
  zboot.write('MZ\0\0zimg', 'latin1')
  zboot.writeUInt32LE(4096, 8)
  zboot.writeUInt32LE(4096, 12)
  zboot.write('lzo', 0x18)
  zboot.write('\x89LZO\0\r\n\x1a\n', 4096, 'latin1')
  return zboot
}
