import type { Statement } from '../script/syntax.ts'
import type { Truth } from '../script/values.ts'
import type { Interpreter } from './interpreter.ts'

/** A command with its arguments. */
export interface CommandCall {
  /** The likeliest arguments, without the command's own name. */
  readonly words: readonly string[]
  /** All possible arguments. */
  readonly alternatives: readonly (readonly string[])[]
  /** The condition that decides between them; null when they are known. */
  readonly why: string | null
  /** The one unknown variable among them, with its candidate for each alternative. */
  readonly unsure: { readonly name: string; readonly candidates: readonly string[] } | null
  readonly body: readonly Statement[] | null
  readonly line: number
}

/** Runs a command, and returns whether it succeeds. */
export type CommandFunction = (interpreter: Interpreter, call: CommandCall) => Truth
