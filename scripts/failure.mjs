// How a script ends that could not do its work: one plain message with what to do, and everything else in a file.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

const directory = join(dirname(dirname(fileURLToPath(import.meta.url))), 'build')

/** What to do about a machine that ended in this way (src/vm/machine/outcome.ts). */
const remedies = {
  'timed-out': 'The machine took too long. Run this again when fewer programs use this computer.',
  panicked: 'The kernel in the machine crashed. Run this again; if it crashes again, report it with that file.',
  rebooted:
    'The machine started again where it should not. Run this again; if it does so again, report it with that file.',
  'qemu-died': 'QEMU ended. If it says why, mend that (memory, disk space); else run this again.',
  failed: 'If this happens again, report it with that file.',
}

/**
 * From here on an error that nobody catches ends this process with a plain message and exit status 1. What the error's file
 * has: the console's last lines where a machine was running, and where in our code it happened.
 * @param name of the file in build/
 * @param consoleText gives all of the console so far, when there is one
 */
export function endPlainly(name, consoleText = () => undefined) {
  process.on('uncaughtException', (error) => {
    const { outcome } = error
    const text = consoleText() ?? outcome?.consoleTail?.join('\n')
    const file = keep(`${name}.log`, [text ?? '', '', error.stack ?? String(error), ''].join('\n'))
    // A message has the console's last lines below its headline; a ProvisionError its hint.
    const message = outcome === undefined ? error.message : error.message.split('\n', 1)[0]
    const lines = stripVTControlCharacters(outcome?.consoleTail?.join('\n') ?? '').split('\n')
    const last = lines.filter((line) => line.trim() !== '').slice(-8)
    console.error([`\nThis did not work: ${message}`, ...last.map((line) => `  ${line}`)].join('\n'))
    console.error(`${text === undefined ? 'Details are' : "The console's last lines are"} in ${file}`)
    if (outcome !== undefined) console.error(remedies[outcome.kind] ?? remedies.failed)
    else if (error.name !== 'ProvisionError') console.error(remedies.failed)
    process.exit(1)
  })
}

/** Bytes of a log that are worth keeping: the last ones. */
const KEPT = 1024 * 1024

function keep(name, text) {
  mkdirSync(directory, { recursive: true })
  const file = join(directory, name)
  writeFileSync(file, text.slice(-KEPT))
  return file
}
