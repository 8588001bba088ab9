#!/usr/bin/env node
// A custom bootloader backend for RAUC: a slot becomes the boot loader's default only after its trial was confirmed.
// RAUC calls it with get-primary, set-primary SLOT, get-state SLOT, set-state SLOT good|bad, or get-current.
import { confirmTrial } from 'linux-kexec'
import { bootedSlot, Slots } from './slots.mjs'

const [command, slot, value] = process.argv.slice(2)

const commands = {
  'get-current': async () => console.log(await bootedSlot()),

  'get-primary': async () => {
    const { state } = await settled()
    console.log(state.next ?? state.primary)
  },

  /** After an installation: to be tried by start.mjs. The boot loader's default stays as it is. */
  'set-primary': async () => {
    const slots = await settled()
    const { primary, good } = slots.state
    await slots.write({ next: slot === primary ? null : slot, good: { ...good, [slot]: true } })
  },

  'get-state': async () => {
    const { state } = await settled()
    console.log(state.good[slot] ? 'good' : 'bad')
  },

  'set-state': async () => {
    const slots = await Slots.read()
    const verdict = await slots.settle()
    const { good, next, attempt } = slots.state
    if (value === 'bad')
      return await slots.write({ good: { ...good, [slot]: false }, next: next === slot ? null : next })
    // `rauc status mark-good` in the system on trial is its confirmation.
    if (attempt?.slot === slot && verdict === 'running') {
      await confirmTrial()
      return await slots.makePrimary(slot)
    }
    if (attempt?.slot === slot) throw new Error(`slot ${slot} is on trial, and is not running`)
    await slots.write({ good: { ...good, [slot]: true } })
  },
}

async function settled() {
  const slots = await Slots.read()
  await slots.settle()
  return slots
}

try {
  if (!Object.hasOwn(commands, command)) throw new Error(`no such command: ${command}`)
  await commands[command]()
} catch (error) {
  console.error(`${error.message}${error.hint === undefined ? '' : `\n${error.hint}`}`)
  process.exitCode = 1
}
