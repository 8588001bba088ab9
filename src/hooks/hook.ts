/** A file of ours as a whole. What else lies at its place is never overwritten. */
export interface HookFile {
  readonly kind: 'file'
  readonly path: string
  /** Permission bits. */
  readonly mode: number
  /** Has to hold the mark, by which it is told to be ours. */
  readonly text: string
  /** Default: MARK. */
  readonly mark?: string
}

/** A symbolic link, such as those by which runlevels name their scripts. */
export interface HookLink {
  readonly kind: 'link'
  readonly path: string
  readonly target: string
}

/** Lines in a file of the system, between two comment lines of ours. Everything else in it stays as it is. */
export interface HookLines {
  readonly kind: 'lines'
  readonly path: string
  readonly lines: readonly string[]
  /** They stand before the first line that this fits; at the end where none does. */
  readonly before?: RegExp
}

export type HookPart = HookFile | HookLink | HookLines

/** What has to lie where an init system runs it, in the order in which it is placed: what is called before what calls it. */
export interface Hook {
  readonly parts: readonly HookPart[]
}

/** By this a file is told to be ours. */
export const MARK = 'Placed by linux-kexec handover'

/** What people read at the top of a file of ours. */
export const marking = `# ${MARK}; \`linux-kexec handover --remove\` takes it away. Changes made here are lost.`

export const BEGIN = '# linux-kexec handover: begin'
export const END = '# linux-kexec handover: end'
