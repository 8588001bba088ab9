import { readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { everySecond, machineForFile } from './guests.ts'
import { calls } from './kexec-calls.ts'
import { kexecTools, realKexec } from './kexec-tools.ts'

const page = readFileSync('docs/kexec8.md', 'utf8')

/** The rows of docs/kexec8.md that tell of a call that ends otherwise: how it ends with kexec-tools, and here. */
const differences = new Map(
  [...page.matchAll(/^\| `([^`]*)` +\| (\d[^|]*?) +\| (\d[^|]*?) +\|/gm)].map(([, call = '', real = '', ours = '']) => [
    call,
    { real, ours },
  ]),
)

const machine = machineForFile(
  { memory: 1536, append: 'crashkernel=192M' },
  { files: [{ path: '/sbin/kexec', link: '/usr/bin/linux-kexec' }, ...(await kexecTools())] },
)

/** What the words in capitals stand for. */
function files(): Record<string, string> {
  return {
    OLDER: `/boot/vmlinuz-${machine.older}`,
    NEWER: `/boot/vmlinuz-${machine.newer}`,
    INITRD: `/boot/initrd.img-${machine.newer}`,
    OLDER_INITRD: `/boot/initrd.img-${machine.older}`,
    GZIP: '/tmp/vmlinuz.gz',
    CUT: '/tmp/vmlinuz.cut',
    TEXT: '/etc/passwd',
    EMPTY: '/tmp/empty',
    PROGRAM: '/usr/bin/busybox',
    NOWHERE: '/tmp/nowhere',
    DIRECTORY: '/boot',
  }
}

/** A call with its words replaced. */
function shellOf(call: string, kexec: string): string {
  const script = call.replaceAll(/(^|[ (])kexec\b/g, (_, before: string) => before + kexec)
  return Object.entries(files()).reduce(
    (text, [name, path]) => text.replaceAll(new RegExp(`\\b${name}\\b`, 'g'), path),
    script,
  )
}

/** What a call ended with: its exit status, and what is loaded then; and what it said on standard error. */
async function outcome(call: string, kexec: string): Promise<{ ended: string; said: string }> {
  const { stdout, stderr } = await machine.vm.run(`
    [ "$(cat /sys/kernel/kexec_loaded)" = 0 ] || ${realKexec} -u
    [ "$(cat /sys/kernel/kexec_crash_loaded)" = 0 ] || ${realKexec} -p -u
    ( ${shellOf(call, kexec)} ) >/tmp/stdout </dev/null
    echo $? $(cat /sys/kernel/kexec_loaded) $(cat /sys/kernel/kexec_crash_loaded)`)
  const [status, loaded, crash] = stdout.trim().split(' ')
  const held = [...(loaded === '1' ? ['a kernel'] : []), ...(crash === '1' ? ['a crash kernel'] : [])]
  return { ended: `${status}, ${held.length > 0 ? held.join(' and ') : 'nothing'}`, said: stderr }
}

test('the list is as long as it has to be, and docs/kexec8.md names only what is in it', () => {
  expect(new Set(calls).size).toBeGreaterThanOrEqual(60)
  expect([...differences.keys()].filter((call) => !calls.includes(call))).toEqual([])
})

beforeAll(async () => {
  const { NEWER, GZIP, CUT, EMPTY } = files()
  await machine.vm.run(`gzip -1 -c ${NEWER} >${GZIP}; head -c 100000 ${NEWER} >${CUT}; : >${EMPTY}`)
})

test.each(everySecond(calls, (call) => differences.has(call)))('%s', async (call) => {
  const real = await outcome(call, realKexec)
  const ours = await outcome(call, '/sbin/kexec')
  const expected = differences.get(call) ?? { real: real.ended, ours: real.ended }
  expect({ real: real.ended, ours: ours.ended }, `${ours.said}\n--- kexec-tools:\n${real.said}`).toEqual(expected)
  expect(ours.said).not.toMatch(/^\s+at /m)
})

/** Makes the calls, and tells which kernel is then running with which command line. */
async function started(call: string, kexec: string): Promise<{ release: string; commandLine: string }> {
  await machine.vm.spawn(shellOf(call, kexec))
  const { release, commandLine } = await machine.vm.booted({ deadline: 140_000 })
  return { release, commandLine }
}

/** On a busy host an emulated timer may tick too late for the kernel's taste: no_timer_check. */
const quoted = `console=ttyS0 panic=-1 loglevel=6 nokaslr no_timer_check  a="b  c" d=e"f g"h -- last "word"`

test('kexec -l and kexec -e: the same kernel with the same command line, quotes and spaces kept', async () => {
  const call = `kexec -l NEWER --initrd=INITRD --append='${quoted}' && kexec -e`
  const expected = { release: machine.newer, commandLine: quoted }
  expect(await started(call, realKexec)).toEqual(expected)
  expect(await started(call, '/sbin/kexec')).toEqual(expected)
})

test('kexec -f with --reuse-cmdline: what was running, and behind it what is given', async () => {
  const call = "kexec -f OLDER --initrd=OLDER_INITRD --reuse-cmdline --append='more=1 more=1'"
  const first = await started(call, realKexec)
  expect(first).toEqual({ release: machine.older, commandLine: `${quoted} more=1 more=1` })
  const second = await started(call, '/sbin/kexec')
  expect(second).toEqual({ release: machine.older, commandLine: `${first.commandLine} more=1 more=1` })
})

test('kexec without a command line, and -e with -x and -y: an empty one', async () => {
  const call = 'kexec -l NEWER --initrd=INITRD && kexec -exy'
  const expected = { release: machine.newer, commandLine: '' }
  expect(await started(call, realKexec)).toEqual(expected)
  expect(await started(call, '/sbin/kexec')).toEqual(expected)
})
