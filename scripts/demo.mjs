#!/usr/bin/env node
// npm run demo [-- --userland busybox]
// The main job before your eyes: a Debian guest in QEMU, without kexec-tools, finds a newer kernel in /boot, loads it with
// the running command line, hands over, and comes up again as the newer one. Then the same guest reboots through the
// firmware, for comparison. Exit status 0 only when the second kernel and its command line are the planned ones.
import util, { parseArgs, stripVTControlCharacters } from 'node:util'
import { endPlainly } from './failure.mjs'
import { setUp, tarball } from './setup.mjs'

let vm
endPlainly('demo', () => vm?.console.map(({ text }) => text).join('\n'))
const { values } = parseArgs({ options: { userland: { type: 'string', default: 'systemd' } } })
const reboots = {
  systemd: { kexec: 'linux-kexec reboot', firmware: 'systemctl reboot', memory: 1536 },
  busybox: { kexec: 'linux-kexec reboot --via direct', firmware: 'reboot -f', memory: 1024 },
}
if (!Object.hasOwn(reboots, values.userland)) {
  console.error(`--userland takes ${Object.keys(reboots).join(' or ')}`)
  process.exit(2)
}
const { userland } = values
/** Milliseconds for a boot or a command, which take seconds: on any machine, and beside whatever it does. */
const patient = { deadline: 900_000 }
const way = reboots[userland]

setUp()
const { buildGuest, newestKernels, startVm } = await import('../dist/vm/index.js')
const progress = (message) => console.log(`• ${message}`)
const kernels = await newestKernels({ progress })
const [older, newer] = kernels.map(({ release }) => release)
const guest = await buildGuest({ kernels, userland, tarball, progress })

console.log(
  heading(
    `A Debian guest starts in QEMU, through firmware and GRUB, with Linux ${older}, ${userland} and no kexec-tools`,
  ),
)
vm = await startVm({ guest, memory: way.memory, bootLoader: 'grub', firmwareReboot: 'allowed', progress })
const poweredOn = performance.now()
const first = await vm.booted(patient)
console.log(`up after ${seconds(first.at - poweredOn)}`)
await type('uname -r')
await type('command -v kexec || echo no kexec-tools here')
await type('cat /proc/cmdline')
await type('linux-kexec list')
await type('linux-kexec plan newest')
const plan = JSON.parse((await output('linux-kexec plan newest --json')).stdout)
await type('linux-kexec load newest')
await type('linux-kexec status')

const { boot: second, milliseconds: kexecTime } = await reboot(way.kexec)
console.log(heading('The guest is up again'))
await type('uname -r')
await type('cat /proc/cmdline')

const { boot: third, milliseconds: firmwareTime } = await reboot(way.firmware)
console.log(heading('For comparison, the guest went through firmware and GRUB'))
await type('uname -r')
await vm.stop()

console.log(heading('What happened'))
const checks = [
  [`the first kernel was the older one, ${older}`, first.release === older],
  [`the plan chose ${newer}`, plan.version === newer],
  [`linux-kexec booted the planned kernel, ${second.release}`, second.release === plan.version],
  ['its command line is the planned one', second.commandLine === plan.commandLine],
  ['and the one from before the kexec, without BOOT_IMAGE', second.commandLine === withoutBootImage(first.commandLine)],
  [`the firmware reboot came up as ${third.release}`, third.release === older],
]
for (const [what, holds] of checks) console.log(`${holds ? styled('green', '✓') : styled('red', '✗ NOT SO:')} ${what}`)
console.log(`
from typing the reboot to userspace
  linux-kexec       ${String(Math.round(kexecTime)).padStart(6)} ms
  firmware reboot   ${String(Math.round(firmwareTime)).padStart(6)} ms   (QEMU's firmware takes well under a second; a server's takes minutes)`)
process.exitCode = checks.every(([, holds]) => holds) ? 0 : 1

/** GRUB adds where it read the kernel; that says nothing of the one that kexec boots. */
function withoutBootImage(commandLine) {
  return commandLine.replace(/^BOOT_IMAGE=\S+ /, '')
}

/** Types a command at the guest's prompt and shows what it prints. */
async function type(command) {
  prompt(command)
  const { stdout, stderr } = await output(command)
  process.stdout.write(stdout + stderr)
}

/** What a command in the guest prints. The demo ends where one fails. */
async function output(command) {
  const result = await vm.run(command, patient)
  if (result.status === 0) return result
  process.stdout.write(result.stdout + result.stderr)
  throw new Error(`in the guest, \`${command}\` ended with status ${result.status}`)
}

/** Types a command that ends in another kernel, shows the console meanwhile, and times it to the new userspace. */
async function reboot(command) {
  prompt(command)
  // Firmware and systemd send colours and cursor movements of their own.
  const quiet = vm.onConsole((text) =>
    process.stdout.write(styled('dim', stripVTControlCharacters(text).replaceAll('\r', ''))),
  )
  const { at } = await vm.spawn(command, patient)
  const boot = await vm.booted(patient)
  quiet()
  const milliseconds = boot.at - at
  console.log(styled('bold', `\n${boot.release} is up after ${Math.round(milliseconds)} ms`))
  return { boot, milliseconds }
}

function prompt(command) {
  console.log(styled('bold', `\nroot@guest:~# ${command}`))
}

function heading(text) {
  return `\n${styled('bold', `── ${text} ──`)}`
}

function seconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(1)} s`
}

function styled(style, text) {
  // Not imported by its name: Node 18 has none, and is to get as far as its message.
  const { styleText } = util
  return process.stdout.isTTY && !process.env.NO_COLOR ? styleText(style, text, { validateStream: false }) : text
}
