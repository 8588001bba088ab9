// Starts the slot that RAUC has made primary, on trial: after `rauc install`, run as root: node start.mjs
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { plan, reboot } from 'linux-kexec'
import { Slots } from './slots.mjs'

try {
  const slots = await Slots.read()
  await slots.settle()
  const { next } = slots.state
  if (next === null) console.log('no slot is to be tried')
  else await start(slots, next)
} catch (error) {
  console.error(`${error.message}${error.hint === undefined ? '' : `\n${error.hint}`}`)
  process.exitCode = 1
}

async function start(slots, slot) {
  const { deadline = 180, allowGaps = false, via = 'auto', slots: places } = slots.config
  const { device, parameters } = places[slot]
  const [kernel, initrd] = filesOf(device, ['boot/vmlinuz', 'boot/initrd.img'])
  const made = await plan({
    kernel,
    initrds: [initrd],
    reuseCommandLine: true,
    remove: parameters.map((parameter) => parameter.replace(/=.*/, '')),
    append: parameters,
    trial: { deadline: deadline * 1000, allowGaps },
  })
  for (const { text } of made.warnings) console.error(`warning: ${text}`)
  if (made.refusals.length > 0) throw made.refusals[0]
  const attempt = { slot, trial: made.trial.id, loaded: false }
  await slots.write({ attempt })
  await made.load()
  await slots.write({ attempt: { ...attempt, loaded: true } })
  await reboot({ via, report: console.log })
}

/** Files of the slot, which RAUC has verified and written, in memory. */
function filesOf(device, names) {
  const directory = mkdtempSync('/run/slot-')
  try {
    execFileSync('/usr/bin/mount', ['-o', 'ro', device, directory])
    try {
      return names.map((name) => readFileSync(join(directory, name)))
    } finally {
      execFileSync('/usr/bin/umount', [directory])
    }
  } finally {
    rmdirSync(directory)
  }
}
