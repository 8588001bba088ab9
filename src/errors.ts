/**
 * The one error class of the library, and the table that names every errno the kexec syscalls can return.
 *
 * Node's own table lacks ENOKEY, EKEYREJECTED and their kin, and Node 20 names 8 (ENOEXEC) wrongly, so this file carries
 * its own (include/uapi/asm-generic/errno-base.h and errno.h; the numbers are the same on every architecture that has
 * kexec_file_load).
 */

/** Every reason by its kind. docs/errors.md explains each. */
const reasonsByKind = {
  /** Another call would do: other options, or something else first. */
  caller: [
    'invalid-argument',
    'no-such-entry',
    'ambiguous-entry',
    'no-command-line',
    'cmdline-too-long',
    'not-found',
    'no-initrd',
    'not-rehearsed',
    'nothing-loaded',
    'image-stale',
    'image-replaced',
    'no-trial',
    'trial-state',
    'not-the-trial',
    'aborted',
  ],
  /** This kernel or initrd cannot be loaded; another one can. */
  image: [
    'not-a-kernel',
    'truncated-kernel',
    'damaged-image',
    'not-relocatable',
    'wrong-architecture',
    'not-an-initrd',
    'initrd-too-large',
  ],
  /** A rule or a missing right forbids it. Someone who may can change that. */
  policy: [
    'no-capability',
    'not-init-user-namespace',
    'not-init-pid-namespace',
    'not-readable',
    'kexec-disabled',
    'load-limit',
    'lockdown',
    'signature-rejected',
    'ima-appraisal',
    'not-permitted',
  ],
  /** This machine, as it is set up and runs, cannot do it. */
  machine: [
    'no-kexec-support',
    'no-memory',
    'no-memory-hole',
    'no-crash-memory',
    'no-guard',
    'no-rollback',
    'kernel-refused',
    'kernel-crashed',
    'unsupported-init',
    'handover-failed',
    'unsupported-platform',
    'native-missing',
    'trial-record',
    'check-failed',
    'default-unchanged',
    'program-failed',
    'io',
  ],
  /** The same call may succeed later. */
  transient: ['busy', 'file-busy', 'file-changed', 'inhibited'],
} as const

/** What would have to change: a program that does not know a reason can still go by its kind. */
export type ErrorKind = keyof typeof reasonsByKind

/** Why something was refused or failed. A closed set: callers may switch over it. */
export type Reason = (typeof reasonsByKind)[ErrorKind][number]

export const reasons: readonly Reason[] = Object.values(reasonsByKind).flat()

const kinds = new Map<Reason, ErrorKind>(
  Object.entries(reasonsByKind).flatMap(([kind, its]) => its.map((reason) => [reason, kind as ErrorKind] as const)),
)

/** One fact that shows the cause: where it was read, and its value there. */
export interface Evidence {
  readonly source: string
  readonly value: string
}

export interface KexecErrorDetails {
  readonly reason: Reason
  /** Where it is not that of the reason: hardware that is always 'busy' is no transient failure. */
  readonly kind?: ErrorKind
  /** Symbolic errno, such as 'EKEYREJECTED'; a reason that has no errno uses the reason in capitals. */
  readonly code?: string
  /** Negative errno, as Node writes it. */
  readonly errno?: number
  readonly syscall?: string
  readonly path?: string
  /** The remedy, as a sentence or a command to type. */
  readonly hint?: string
  readonly evidence?: readonly Evidence[]
  /** True when the library refused before it asked the kernel. Nothing was changed. */
  readonly refused?: boolean
  readonly cause?: unknown
}

/**
 * Every failure this library reports. `reason` names the cause and `kind` its group, `hint` the remedy, and `evidence`
 * the facts behind both. The message follows Node's: `EKEYREJECTED: the kernel image's signature was rejected, kexec_file_load
 * '/boot/vmlinuz'`.
 */
export class KexecError extends Error {
  override readonly name = 'KexecError'
  readonly reason: Reason
  readonly kind: ErrorKind
  readonly code: string
  readonly errno: number | undefined
  readonly syscall: string | undefined
  readonly path: string | undefined
  readonly hint: string | undefined
  readonly evidence: readonly Evidence[]
  readonly refused: boolean
  /** The message without code, syscall and path. */
  readonly summary: string

  constructor(summary: string, details: KexecErrorDetails) {
    const code =
      details.code ?? (details.errno === undefined ? undefined : errnoName(details.errno)) ?? codeOf(details.reason)
    const call = [details.syscall, details.path === undefined ? undefined : `'${details.path}'`]
      .filter(Boolean)
      .join(' ')
    super(
      `${code}: ${summary}${call === '' ? '' : `, ${call}`}`,
      details.cause === undefined ? {} : { cause: details.cause },
    )
    this.summary = summary
    this.reason = details.reason
    this.kind = details.kind ?? (kinds.get(details.reason) as ErrorKind)
    this.code = code
    this.errno = details.errno === undefined ? undefined : -Math.abs(details.errno)
    this.syscall = details.syscall
    this.path = details.path
    this.hint = details.hint
    this.evidence = details.evidence ?? []
    this.refused = details.refused ?? false
  }

  /** The error as plain data, as `--json` prints it. */
  toJSON(): Record<string, unknown> {
    const { code, errno, syscall, path, reason, kind, summary, hint, evidence, refused, message } = this
    return { code, errno, syscall, path, reason, kind, summary, hint, evidence, refused, message }
  }
}

function codeOf(reason: Reason): string {
  return reason.toUpperCase().replaceAll('-', '_')
}

/**
 * The symbolic name of an errno; its sign does not matter: `errnoName(-129)` is 'EKEYREJECTED'. 'E999' where no such
 * errno exists.
 */
export function errnoName(errno: number): string {
  return names.get(Math.abs(errno)) ?? `E${Math.abs(errno)}`
}

/** The positive number of a symbolic errno, or undefined: `errnoNumber('ENOKEY')` is 126. */
export function errnoNumber(name: string): number | undefined {
  return numbers.get(name)
}

// include/uapi/asm-generic/errno-base.h, then errno.h, in order of number.
const table =
  `1 EPERM 2 ENOENT 3 ESRCH 4 EINTR 5 EIO 6 ENXIO 7 E2BIG 8 ENOEXEC 9 EBADF 10 ECHILD 11 EAGAIN 12 ENOMEM 13 EACCES
14 EFAULT 15 ENOTBLK 16 EBUSY 17 EEXIST 18 EXDEV 19 ENODEV 20 ENOTDIR 21 EISDIR 22 EINVAL 23 ENFILE 24 EMFILE 25 ENOTTY
26 ETXTBSY 27 EFBIG 28 ENOSPC 29 ESPIPE 30 EROFS 31 EMLINK 32 EPIPE 33 EDOM 34 ERANGE 35 EDEADLK 36 ENAMETOOLONG
37 ENOLCK 38 ENOSYS 39 ENOTEMPTY 40 ELOOP 42 ENOMSG 43 EIDRM 44 ECHRNG 45 EL2NSYNC 46 EL3HLT 47 EL3RST 48 ELNRNG
49 EUNATCH 50 ENOCSI 51 EL2HLT 52 EBADE 53 EBADR 54 EXFULL 55 ENOANO 56 EBADRQC 57 EBADSLT 59 EBFONT 60 ENOSTR
61 ENODATA 62 ETIME 63 ENOSR 64 ENONET 65 ENOPKG 66 EREMOTE 67 ENOLINK 68 EADV 69 ESRMNT 70 ECOMM 71 EPROTO
72 EMULTIHOP 73 EDOTDOT 74 EBADMSG 75 EOVERFLOW 76 ENOTUNIQ 77 EBADFD 78 EREMCHG 79 ELIBACC 80 ELIBBAD 81 ELIBSCN
82 ELIBMAX 83 ELIBEXEC 84 EILSEQ 85 ERESTART 86 ESTRPIPE 87 EUSERS 88 ENOTSOCK 89 EDESTADDRREQ 90 EMSGSIZE
91 EPROTOTYPE 92 ENOPROTOOPT 93 EPROTONOSUPPORT 94 ESOCKTNOSUPPORT 95 EOPNOTSUPP 96 EPFNOSUPPORT 97 EAFNOSUPPORT
98 EADDRINUSE 99 EADDRNOTAVAIL 100 ENETDOWN 101 ENETUNREACH 102 ENETRESET 103 ECONNABORTED 104 ECONNRESET 105 ENOBUFS
106 EISCONN 107 ENOTCONN 108 ESHUTDOWN 109 ETOOMANYREFS 110 ETIMEDOUT 111 ECONNREFUSED 112 EHOSTDOWN 113 EHOSTUNREACH
114 EALREADY 115 EINPROGRESS 116 ESTALE 117 EUCLEAN 118 ENOTNAM 119 ENAVAIL 120 EISNAM 121 EREMOTEIO 122 EDQUOT
123 ENOMEDIUM 124 EMEDIUMTYPE 125 ECANCELED 126 ENOKEY 127 EKEYEXPIRED 128 EKEYREVOKED 129 EKEYREJECTED 130 EOWNERDEAD
131 ENOTRECOVERABLE 132 ERFKILL 133 EHWPOISON`.split(/\s+/)

const names = new Map<number, string>()
const numbers = new Map<string, number>()
for (let index = 0; index + 1 < table.length; index += 2) {
  names.set(Number(table[index]), table[index + 1] as string)
  numbers.set(table[index + 1] as string, Number(table[index]))
}
