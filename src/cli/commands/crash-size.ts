import { machine } from 'node:os'
import { hotplugAdvice, readCrashHotplug } from '../../crash-kernel/hotplug.ts'
import { recommendReservation } from '../../crash-kernel/reservation.ts'
import { planShrinking, shrinkReservation } from '../../crash-kernel/shrink.ts'
import { status } from '../../system/kexec-state.ts'
import { System } from '../../system/system.ts'
import { formatBytes } from '../../text.ts'
import { type Arguments, type Command, type ExitStatus, exit, jsonOption, UsageError } from '../arguments/command.ts'
import { stdout } from '../output/descriptor.ts'
import { lineWidth, table } from '../output/layout.ts'
import { noteLabelled, print, printJson } from '../output/output.ts'

export const command: Command = {
  name: 'crash-size',
  summary: 'Shows how much memory is reserved for a crash kernel, or gives back all but SIZE.',
  operands: '[SIZE]',
  arity: [0, 1],
  options: {
    'dry-run': { type: 'boolean', help: 'show how much would be given back, and do nothing' },
    json: jsonOption,
  },
  examples: [
    ['linux-kexec crash-size', 'how much is reserved'],
    ['linux-kexec crash-size 128M', 'keep 128 MiB, and free the rest until the next boot'],
    ['linux-kexec crash-size 0', 'no crash kernel until the next boot'],
  ],
  notes: `SIZE is in bytes, or has a suffix K, M or G. The kernel can only give memory back, not reserve it
again before the next boot, and not while a crash kernel is loaded.`,
  async run(args) {
    const [size] = args.positionals
    return size === undefined ? show(args) : shrink(args, bytesOf(size))
  },
}

function show(args: Arguments): ExitStatus {
  const system = new System()
  const { crashSize, crashLoaded, supported } = status(system)
  const hotplug = readCrashHotplug(system)
  const recommended = recommendReservation(system, machine(), null)
  if (args.flag('json')) {
    printJson({ crashSize, crashLoaded, recommended: recommended.bytes, hotplug })
    return exit.done
  }
  if (crashSize === null) {
    print(
      supported === null
        ? 'The reserved memory is unknown: /sys is not mounted.'
        : 'The running kernel does not support crash kernels.',
    )
    return exit.done
  }
  const rows = [
    ['reserved', crashSize === 0 ? 'nothing' : formatBytes(crashSize)],
    ['crash kernel', crashLoaded === null ? 'unknown' : crashLoaded ? 'loaded' : 'not loaded'],
    ['usual with this memory', recommended.parameter],
  ]
  print(table(rows, { width: lineWidth(stdout) }).join('\n'))
  const advice = hotplugAdvice(hotplug)
  if (crashLoaded && advice !== null) print(advice)
  return exit.done
}

function shrink(args: Arguments, size: number): ExitStatus {
  const { before, after } = planShrinking(size)
  const isDry = args.flag('dry-run')
  if (after < before) {
    const consequence = `${formatBytes(before - after)} will be given back, and cannot be reserved again before the next boot`
    noteLabelled(isDry ? 'dry run:' : 'warning:', 'yellow', consequence)
  }
  const done = isDry ? { before, after } : shrinkReservation(size)
  if (args.flag('json')) printJson({ before: done.before, after: done.after, dryRun: isDry })
  else if (!isDry) print(`reserved ${formatBytes(done.after)}, of ${formatBytes(done.before)} before`)
  return exit.done
}

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }

/** In the form of crashkernel=. */
function bytesOf(text: string): number {
  const [, digits, unit] = /^(\d{1,12})([KMG]?)$/i.exec(text) ?? []
  if (digits === undefined)
    throw new UsageError(`crash-size takes a number of bytes, or one with a suffix K, M or G, not '${text}'`)
  return Number(digits) * (UNITS[(unit ?? '').toUpperCase()] as number)
}
