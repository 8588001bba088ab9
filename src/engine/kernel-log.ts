import { closeSync, constants, openSync, readSync } from 'node:fs'
import type { Evidence } from '../errors.ts'
import { native } from '../native.ts'

const KMSG = '/dev/kmsg'

/** A record is at most this long, bytes (CONSOLE_EXT_LOG_MAX, kernel/printk/printk.c). */
const RECORD = 8192

/** More records than a load can leave behind; keeps a machine that logs without pause from holding us. */
const MAX_RECORDS = 1000

/** Marks what kexec, the signature check, lockdown and IMA write to the kernel log. */
const RELEVANT =
  /kexec|PEFILE|signature|lockdown|integrity|ima:|appraise|avc:|apparmor|bzImage|elfcorehdr|command line|purgatory|X\.509|PKCS|crash/i

/** Marks what a kernel says of its own crash, in the words of each architecture: what happened, and in which function. */
const CRASH =
  /\bBUG\b|\bOops\b|Unable to handle|unable to handle|Internal error|\bPC is at\b|\b(RIP|NIP|epc|pc|lr)\b ?[:[]/

/** The first ones tell; registers and the stack come behind them. */
const CRASH_LINES = 6

/** The kernel log from the moment this was opened: the kernel tells there, in words, why it refused. */
export class KernelLog {
  private readonly fd: number | undefined
  private readonly unreadable: string | undefined

  /** Never fails: when the log may not be read (kernel.dmesg_restrict, no /dev), `evidence` says so. */
  constructor() {
    try {
      this.fd = openSync(KMSG, constants.O_RDONLY | constants.O_NONBLOCK)
      native().seekEnd(this.fd)
    } catch (error) {
      this.unreadable = (error as NodeJS.ErrnoException).code ?? String(error)
    }
  }

  /** The lines about kexec that were logged since, in order. */
  evidence(): Evidence[] {
    return this.lines(RELEVANT)
  }

  /** What was logged since of a crash of the kernel, in order. */
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
        // EPIPE: records were overwritten before they were read; the next read goes on after the gap.
        if ((error as NodeJS.ErrnoException).code !== 'EPIPE') return undefined
      }
    }
  }
}
