/** A whole file of ours. A foreign file at its place is never overwritten. */
export interface HookFile {
  readonly kind: 'file'
  readonly path: string
  /** Permission bits. */
  readonly mode: number
  /** Must contain the mark, which identifies it as ours. */
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

/** Lines in a file of the system, between two comment lines of ours. The rest of the file stays as it is. */
export interface HookLines {
  readonly kind: 'lines'
  readonly path: string
  readonly lines: readonly string[]
  /** Their owner, as the comment lines name it. Default: 'handover'. */
  readonly owner?: string
  /** Whether they count wherever they lie in the file; else they are moved to their place. */
  readonly anywhere?: boolean
  /** Placed before the first line that matches; at the end where none does. */
  readonly before?: RegExp
}

export type HookPart = HookFile | HookLink | HookLines

/** The files that an init system must run, in the order of their placement: callees before their callers. */
export interface Hook {
  readonly parts: readonly HookPart[]
}

/** The mark of a file of ours. */
export const MARK = 'Placed by linux-kexec handover'

/** The text for people at the top of a file of ours. */
export const marking = `# ${MARK}; \`linux-kexec handover --remove\` removes it. Changes in this file will be lost.`

/** The comment lines around the lines of one owner. */
export function marksOf(owner = 'handover'): { readonly begin: string; readonly end: string } {
  return { begin: `# linux-kexec ${owner}: begin`, end: `# linux-kexec ${owner}: end` }
}
