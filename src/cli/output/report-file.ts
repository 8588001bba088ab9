import { writeFileSync } from 'node:fs'
import { KexecError } from '../../errors.ts'

/** Writes a report to a file that the call names. It may be a link or a device, such as /dev/stdout, and stays one. */
export function writeReport(path: string, text: string): void {
  try {
    writeFileSync(path, text)
  } catch (cause) {
    throw new KexecError('the report cannot be written', { reason: 'io', path, cause })
  }
}
