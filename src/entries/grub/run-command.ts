import { commands } from './commands/commands.ts'
import type { CommandCall } from './interpreter/command.ts'
import type { Interpreter } from './interpreter/interpreter.ts'
import type { Command } from './script/syntax.ts'
import { not } from './script/values.ts'
import type { Expansion } from './script/words.ts'

/** Runs a command: one of GRUB's, a function of the script, or an assignment. */
export function runCommand(run: Interpreter, command: Command): void {
  const expansion = run.expand(command.words)
  const [[name, ...words] = []] = expansion.alternatives
  if (name === '!') {
    const [, ...others] = command.words
    runCommand(run, { ...command, words: others })
    run.status = not(run.status)
  } else if (name === undefined) run.status = true
  else call(run, name, words, command, expansion)
}

function call(run: Interpreter, name: string, words: readonly string[], command: Command, expansion: Expansion): void {
  const known = commands.get(name)
  const definition = run.context.functions.get(name)
  if (known !== undefined) {
    run.failure = '1'
    run.status = known(run, callOf(command, expansion))
    if (run.status === 'unknown') run.doubt = run.asked?.why ?? 'the machine'
  } else if (definition !== undefined) run.callFunction(definition.body, words)
  else unknownCommand(run, name, command)
  tellOtherCommands(run, name, command, expansion)
}

/** A command with an unknown name: the likeliest is run. */
function tellOtherCommands(run: Interpreter, name: string, { line }: Command, { alternatives, why }: Expansion): void {
  const meaning = (text: string) => commands.get(text) ?? run.context.functions.get(text)
  const other = alternatives.map(([text = '']) => text).find((text) => meaning(text) !== meaning(name))
  if (other !== undefined)
    run.problem('uncertain', `${run.config}:${line}: which command is run depends on ${why}: '${name}', or '${other}'.`)
}

/**
 * `name=value` is an assignment when there is no such command, even with further words. Distributions add commands to
 * their GRUB; one without such a command complains, and goes on.
 */
function unknownCommand(run: Interpreter, name: string, { line }: Command): void {
  const equals = name.indexOf('=')
  if (equals > 0) run.set(name.slice(0, equals), name.slice(equals + 1))
  else if (!run.strangers.has(name)) {
    run.strangers.add(name)
    run.problem('left-out', `${run.config}:${line}: the command '${name}' is unknown; its effect is missing here.`)
  }
  run.status = true
}

function callOf(command: Command, { alternatives, why, unsure }: Expansion): CommandCall {
  const lists = alternatives.map((words) => words.slice(1))
  const [words = []] = lists
  const { body, line } = command
  // linux$suffix: the exact name of the command makes no difference.
  const [run, ...others] = alternatives.map(([name = '']) => commands.get(name))
  const isOne = others.every((other) => other === run) && lists.every((list) => list.join('\0') === words.join('\0'))
  if (alternatives.length > 1 && isOne) return { words, alternatives: [words], why: null, unsure: null, body, line }
  return { words, alternatives: lists, why, unsure, body, line }
}
