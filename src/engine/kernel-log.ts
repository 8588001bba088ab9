import { closeSync, constants, openSync, readSync } from 'node:fs'
import type { Evidence } from '../errors.ts'
import { native } from '../native.ts'

const KMSG = '/dev/kmsg'

/** The longest record, in bytes (CONSOLE_EXT_LOG_MAX, kernel/printk/printk.c). */
const RECORD = 8192

/** More records than a load can leave behind; a machine that logs without pause must not hold us. */
const MAX_RECORDS = 1000

/** Marks of the lines that kexec, the signature check, lockdown and IMA write to the kernel log. */
const RELEVANT =
  /kexec|PEFILE|signature|lockdown|integrity|ima:|appraise|avc:|apparmor|bzImage|elfcorehdr|command line|purgatory|X\.509|PKCS|crash/i

/** Marks of the lines about a kernel's own crash, in the words of each architecture: the event, and its function. */
const CRASH =
  /\bBUG\b|\bOops\b|Unable to handle|unable to handle|Internal error|\bPC is at\b|\b(RIP|NIP|epc|pc|lr)\b ?[:[]/

/** The first lines matter; registers and the stack follow them. */
const CRASH_LINES = 6

/** The kernel log from the moment this was opened: it has the kernel's reason for a refusal, in words. */
export class KernelLog {
  private readonly fd: number | undefined
  private readonly unreadable: string | undefined

  /** Never fails. When the log may not be read (kernel.dmesg_restrict, no /dev), `evidence` says so. */
  constructor() {
    try {
      this.fd = openSync(KMSG, constants.O_RDONLY | constants.O_NONBLOCK)
      native().seekEnd(this.fd)
    } catch (error) {
      this.unreadable = (error as NodeJS.ErrnoException).code ?? String(error)
    }
  }

  /** The lines about kexec logged since, in order. */
  evidence(): Evidence[] {
    return this.lines(RELEVANT)
  }

  /** The lines about a crash of the kernel logged since, in order. */
  crash(): Evidence[] {
    return this.lines(CRASH).slice(0, CRASH_LINES)
  }

  private lines(relevant: RegExp): Evidence[] {
    if (this.fd === undefined) return [{ source: KMSG, value: `unreadable (${this.unreadable})` }]
    const evidence: Evidence[] = []
    const buffer = Buffer.alloc(RECORD)
    for (let count = 0; count < MAX_RECORDS; count++) {
      const record = this.next(buffer)
      if (record === undefined) break
      // "level,sequence,microseconds,flags;text", then continuation lines: Documentation/ABI/testing/dev-kmsg
      const text = record.slice(record.indexOf(';') + 1).split('\n', 1)[0] ?? ''
      if (relevant.test(text)) evidence.push({ source: 'kernel log', value: text })
    }
    return evidence
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd)
  }

  private next(buffer: Buffer): string | undefined {
    for (;;) {
      try {
        return buffer.toString('utf8', 0, readSync(this.fd as number, buffer))
      } catch (error) {
        // EPIPE: records were overwritten before they were read; the next read continues after the gap.
        if ((error as NodeJS.ErrnoException).code !== 'EPIPE') return undefined
      }
    }
  }
}
