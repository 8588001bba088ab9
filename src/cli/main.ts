import { basename } from 'node:path'
import about from '../../package.json' with { type: 'json' }
import { nearest } from '../text.ts'
import { type Command, type ExitStatus, exit, parse, UsageError } from './arguments/command.ts'
import { commandHelp, programHelp } from './help.ts'
import { stderr, stdout } from './output/descriptor.ts'
import { reportFailure } from './output/failure.ts'
import { note, print } from './output/output.ts'
import { callWords } from './words.ts'

/** Every command, with its line in the program's help; its file is loaded when it is called. */
const commands: Readonly<Record<string, { summary: string; load: () => Promise<{ command: Command }> }>> = {
  list: { summary: 'what this machine can boot', load: () => import('./commands/list.ts') },
  inspect: { summary: 'what a kernel file is', load: () => import('./commands/inspect.ts') },
  plan: { summary: 'what load would do, and why; touches nothing', load: () => import('./commands/plan.ts') },
  load: { summary: 'load a kernel', load: () => import('./commands/load.ts') },
  rehearse: {
    summary: 'carry out a plan in QEMU: would it come up?',
    load: () => import('./commands/rehearse.ts'),
  },
  matrix: { summary: 'rehearse every pair of many kernels', load: () => import('./commands/matrix.ts') },
  unload: { summary: 'unload what is loaded', load: () => import('./commands/unload.ts') },
  status: { summary: 'what is loaded', load: () => import('./commands/status.ts') },
  'crash-size': {
    summary: 'memory reserved for a crash kernel',
    load: () => import('./commands/crash-size.ts'),
  },
  service: { summary: 'services that load a kernel, or confirm a trial', load: () => import('./commands/service.ts') },
  policy: { summary: 'what the kernel would refuse, and why', load: () => import('./commands/policy.ts') },
  doctor: { summary: 'whether a kexec would work, and what to do', load: () => import('./commands/doctor.ts') },
  handover: {
    summary: 'how reboot will do it, and whether it ends in the loaded kernel',
    load: () => import('./commands/handover.ts'),
  },
  reboot: { summary: 'stop the services and start the loaded kernel', load: () => import('./commands/reboot.ts') },
  exec: {
    summary: 'start the loaded kernel at once, without stopping services',
    load: () => import('./commands/exec.ts'),
  },
  trial: { summary: 'show, confirm or cancel a trial', load: () => import('./commands/trial/trial.ts') },
  last: { summary: 'the last kexec: from where, and how long it took', load: () => import('./commands/trial/last.ts') },
  kexec: { summary: 'stand in for kexec(8) of kexec-tools', load: () => import('./kexec8/command.ts') },
}

async function main(): Promise<number> {
  const plain = process.argv.slice(2)
  const rest = isKexec ? plain : plain.toSpliced(place, 1)
  // Until a command is known, a simple search shows whether the error is wanted as JSON.
  const json = rest.includes('--json')
  let command: Command | undefined
  try {
    if (name === '--version' || name === '-V' || name === 'version') {
      print(about.version)
      return exit.done
    }
    if (name === undefined || name === '--help' || name === '-h' || name === 'help')
      return await help(rest[0], name === undefined)
    command = await commandNamed(name)
    const words = isKexec ? callWords() : callWords().toSpliced(place, 1)
    if (command.runWords !== undefined) return await command.runWords(words)
    const args = parse(command, words)
    if (args.flag('help')) {
      print(commandHelp(command, stdout))
      return exit.done
    }
    return await command.run(args)
  } catch (error) {
    const status = reportFailure(error, json, name !== undefined && Object.hasOwn(commands, name) ? name : undefined)
    return command?.statusOfError?.(error, rest) ?? status
  }
}

async function help(topic: string | undefined, isMissing: boolean): Promise<ExitStatus> {
  if (isMissing) {
    note(programHelp(summaries(), stderr))
    return exit.usage
  }
  print(topic === undefined ? programHelp(summaries(), stdout) : commandHelp(await commandNamed(topic), stdout))
  return exit.done
}

function summaries() {
  return Object.entries(commands).map(([name, { summary }]) => [name, summary] as const)
}

async function commandNamed(name: string): Promise<Command> {
  const found = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (found !== undefined) return (await found.load()).command
  const suggestion = nearest(name, [...Object.keys(commands), 'help', 'version'])
  throw new UsageError(
    `there is no command '${name}'${suggestion === undefined ? '' : `; did you mean ${suggestion}?`}`,
  )
}

/** Called by the name of kexec(8), through a link: Node keeps the link's path. */
const isKexec = basename(process.argv[1] ?? '') === 'kexec'

/** Where the command stands among the words: options may come before it. */
const place = placeOfCommand(process.argv.slice(2))
const name = isKexec ? 'kexec' : process.argv[2 + place]

function placeOfCommand(words: readonly string[]): number {
  const [first = ''] = words
  if (!first.startsWith('-') || ['--version', '-V', '--help', '-h'].includes(first)) return 0
  return Math.max(
    0,
    words.findIndex((word) => Object.hasOwn(commands, word)),
  )
}

main().then(async (status) => {
  const isLast = status !== exit.done && (isKexec || ['reboot', 'exec', 'kexec'].includes(name ?? ''))
  if (process.pid === 1 && isLast) {
    const { isFirstProcess, stay } = await import('./first-process.ts')
    if (isFirstProcess()) await stay()
  }
  process.exitCode = status
  // A call that the kernel never answers, because it crashed in it, would keep Node waiting.
  if (status !== exit.done) process.exit()
})
