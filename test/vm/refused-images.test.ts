import { readFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { memoryBytes } from '../../src/bytes/bytes.ts'
import { decompress } from '../../src/compression/decompress.ts'
import { inspectImage } from '../../src/image/formats/inspect.ts'
import { newestKernels, ProvisionError, startVm, type Vm } from '../../src/vm/index.ts'
import { foreignKernel } from '../../src/vm/provision/kernels.ts'
import { untested } from '../untested.ts'
import { debianGuest } from './guests.ts'
import { INTERNALS, internals } from './internals.ts'

// What the plan refuses, and what the kernel says to the same files when it is asked all the same: our command will not, so a
// program of the test calls the addon.

const progress = (message: string) => console.error(`  ${message}`)

/** `ask.mjs KERNEL INITRD FLAGS COMMAND-LINE`: prints what kexec_file_load answers and logs, and unloads again. */
const ask = `
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { errnoName, native } from '${INTERNALS}'
const [kernel, initrd, flags, commandLine] = process.argv.slice(2)
const log = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK)
native().seekEnd(log)
const none = initrd === '-'
const [k, i] = [openSync(kernel), none ? -1 : openSync(initrd)]
const errno = native().kexecFileLoadSync(k, i, commandLine, Number(flags) | (none ? 4 : 0))
const lines = []
const record = Buffer.alloc(8192)
try {
  for (;;) lines.push(record.toString('utf8', 0, readSync(log, record)).replace(/^[^;]*;/, '').split('\\n')[0])
} catch {}
if (errno === 0) native().kexecFileLoadSync(-1, -1, '', Number(flags) | 1)
console.log(JSON.stringify({ answer: errno === 0 ? 'taken' : errnoName(errno), log: lines.join('\\n') }))
`

/** `patch.mjs FROM TO OFFSET BYTES…`: a copy with other bytes at an offset, all in hexadecimal. */
const patch = `
import { readFileSync, writeFileSync } from 'node:fs'
const [from, to, offset, bytes] = process.argv.slice(2)
const image = readFileSync(from)
Buffer.from(bytes, 'hex').copy(image, Number(offset))
writeFileSync(to, image)
`

const MEMORY = 1024
let vm: Vm
let kernel: string
let i386: string | undefined
let usesFiveLevels = false

beforeAll(async () => {
  const kernels = await newestKernels({ progress })
  const newer = kernels.at(-1) as (typeof kernels)[number]
  kernel = `/boot/vmlinuz-${newer.release}`
  const bzImage = readFileSync(newer.image)
  const head = (name: string) => readFileSync(`test/fixtures/kernels/${name}`)
  const files: [string, Buffer][] = [
    ['ask.mjs', Buffer.from(ask)],
    ['patch.mjs', Buffer.from(patch)],
    ['arm64', head('arm64-6.1.0-50-cloud.head')],
    ['armhf', head('armhf-6.1.0-50-rt-armmp.head')],
    ['riscv64', head('riscv64-6.12.107+deb13.head')],
    ['s390x', gunzipSync(head('s390x-6.1.0-50.head.gz'))],
    ['vmlinux', await vmlinuxOf(bzImage)],
    ['bzImage.gz', gzipSync(bzImage, { level: 1 })],
    ['lzo', Buffer.concat([Buffer.from('\x89LZO\0\r\n\x1a\n', 'latin1'), Buffer.alloc(4096)])],
    ['short', Buffer.from('x'.repeat(100))],
  ]
  const own = await ofOldMachine()
  if (own !== undefined) files.push(['i386', own])
  i386 = own && '/cases/i386'
  const guest = await debianGuest({
    files: [
      ...files.map(([name, data]) => ({ path: `/cases/${name}`, data })),
      await internals({ 'errors.ts': 'errnoName', 'native.ts': 'native' }),
    ],
  })
  vm = await startVm({ guest, memory: MEMORY, append: 'crashkernel=64M' })
  await vm.booted()
  expect(await vm.run('mkdir /made && mount -t tmpfs -o size=8G made /made')).toMatchObject({ status: 0 })
  usesFiveLevels = (await vm.run('grep -qw la57 /proc/cpuinfo')).status === 0
  if (!usesFiveLevels) progress('the machine does not use 5 levels of page tables')
  return () => vm.stop()
})

/** The kernel inside, as far as its version line. */
async function vmlinuxOf(bzImage: Buffer): Promise<Buffer> {
  const start = ((bzImage[0x1f1] as number) + 1) * 512 + bzImage.readUInt32LE(0x248)
  const payload = bzImage.subarray(start, start + bzImage.readUInt32LE(0x24c) - 4)
  const { compression } = inspectImage(bzImage, bzImage.length)
  const chunks: Buffer[] = []
  for await (const chunk of decompress(compression as string, memoryBytes(payload), 2 ** 30)) {
    chunks.push(Buffer.from(chunk))
    if (chunk.includes('Linux version ')) break
  }
  return Buffer.concat(chunks)
}

/** Debian's kernel for 32-bit PCs. */
async function ofOldMachine(): Promise<Buffer | undefined> {
  try {
    const { image } = await foreignKernel({ architecture: 'i386', flavour: '686', suite: 'bookworm', progress })
    return readFileSync(image)
  } catch (error) {
    if (!(error instanceof ProvisionError)) throw error
    untested(`the Debian mirror has no 32-bit kernel: ${error.message}`)
    return undefined
  }
}

interface Case {
  readonly kernel: string
  readonly initrd?: string
  readonly commandLine?: string
  readonly panic?: boolean
  readonly engine?: 'file'
}

/** What the plan predicts: reason and code of every refusal. */
async function predicted({ kernel, initrd, commandLine = 'root=/dev/vda1', panic, engine }: Case) {
  const wanted = [panic ? '--panic' : '', engine === undefined ? '' : `--engine ${engine}`]
  const options = [initrd === undefined ? '--no-initrd' : `--initrd ${initrd}`, ...wanted].join(' ')
  const result = await vm.run(`linux-kexec plan ${kernel} ${options} --command-line '${commandLine}' --json`)
  const { refusals, unchecked } = JSON.parse(result.stdout)
  expect(result.status).toBe(refusals.length > 0 ? 3 : 0)
  expect(unchecked, 'the running machine hides nothing').toEqual([])
  for (const refusal of refusals) {
    expect(refusal).toMatchObject({ refused: true, hint: expect.any(String) })
  }
  // A kernel that was changed for a case is damaged, too: its signature is not over these bytes any more.
  const others = refusals.filter(({ reason }: { reason: string }) => reason !== 'damaged-image')
  return others.map(({ reason, code }: { reason: string; code: string }) => `${reason} ${code}`)
}

/** What the kernel answers. */
async function answered({ kernel, initrd = '-', commandLine = 'root=/dev/vda1', panic }: Case) {
  const { stdout, status } = await vm.run(
    `echo 1000 > /proc/self/oom_score_adj; node /cases/ask.mjs ${kernel} ${initrd} ${panic ? 2 : 0} '${commandLine}'`,
    { deadline: 240_000 },
  )
  return status === 0
    ? (JSON.parse(stdout) as { answer: string; log: string })
    : { answer: `status ${status}`, log: '' }
}

/** A copy of the kernel with other bytes in its header. */
async function patched(offset: number, bytes: string): Promise<string> {
  const made = await vm.run(`node /cases/patch.mjs ${kernel} /made/kernel ${offset} ${bytes}`)
  expect(made).toMatchObject({ status: 0 })
  return '/made/kernel'
}

/** An archive that is all holes: it takes no memory until the kernel reads it. */
async function sparse(bytes: number): Promise<string> {
  const made = await vm.run(`rm -f /made/*; : | cpio -o -H newc > /made/initrd && truncate -s ${bytes} /made/initrd`)
  expect(made).toMatchObject({ status: 0 })
  return '/made/initrd'
}

const MIB = 1024 ** 2
const flag = (bit: number) => (0x7f & ~(1 << bit)).toString(16).padStart(2, '0')

describe('a header that says', () => {
  const headers: [what: string, offset: number, bytes: string, prediction: string[], answer: string, log: RegExp][] = [
    ['nothing (no HdrS)', 0x202, '58585858', ['not-a-kernel ENOEXEC'], 'ENOEXEC', /Not a bzImage/],
    ['no boot sector', 0x1fe, '0000', ['not-a-kernel ENOEXEC'], 'ENOEXEC', /No x86 boot sector/],
    ['protocol 2.11', 0x206, '0b02', ['not-a-kernel ENOEXEC'], 'ENOEXEC', /at least protocol version 2.12/],
    ['loaded low', 0x211, '00', ['not-a-kernel ENOEXEC'], 'ENOEXEC', /zImage not a bzImage/],
    ['32 bits', 0x236, flag(0), ['wrong-architecture ENOEXEC'], 'ENOEXEC', /XLF_KERNEL_64 is not set/],
    ['not above 4 GiB', 0x236, flag(1), ['not-relocatable ENOEXEC'], 'ENOEXEC', /ABOVE_4G is not set/],
    // The kernel does not look at this one, and places it elsewhere.
    ['not relocatable', 0x234, '00', ['not-relocatable NOT_RELOCATABLE'], 'taken', /^/],
    [
      'both, and an old protocol: all is told',
      ...([0x206, `0b02${'00'.repeat(0x2c)}00`] as const),
      ['not-relocatable NOT_RELOCATABLE', 'not-a-kernel ENOEXEC'],
      'ENOEXEC',
      /at least protocol version 2.12/,
    ],
  ]
  test.each(headers)('%s', async (_, offset, bytes, prediction, answer, log) => {
    const kernel = await patched(offset, bytes)
    expect(await predicted({ kernel })).toEqual(prediction)
    const said = await answered({ kernel })
    expect(said.answer).toBe(answer)
    expect(said.log).toMatch(log)
  })

  test('4 levels of page tables, under a kernel that uses 5', async () => {
    const kernel = await patched(0x236, flag(5))
    const isRefused = usesFiveLevels
    expect(await predicted({ kernel })).toEqual(isRefused ? ['wrong-architecture ENOEXEC'] : [])
    const { answer, log } = await answered({ kernel })
    expect(answer).toBe(isRefused ? 'ENOEXEC' : 'taken')
    if (isRefused) expect(log).toContain('5-level paging')
  })

  test('nothing wrong: it is planned, and taken', async () => {
    expect(await predicted({ kernel })).toEqual([])
    expect((await answered({ kernel })).answer).toBe('taken')
    expect(await predicted({ kernel, panic: true })).toEqual([])
    expect((await answered({ kernel, panic: true })).answer).toBe('taken')
  })
})

describe('a file that is', () => {
  const files: [name: string, prediction: string[], answer: string][] = [
    ['arm64', ['wrong-architecture ENOEXEC', 'truncated-kernel TRUNCATED_KERNEL'], 'ENOEXEC'],
    ['armhf', ['wrong-architecture ENOEXEC', 'truncated-kernel TRUNCATED_KERNEL'], 'ENOEXEC'],
    ['riscv64', ['wrong-architecture ENOEXEC', 'truncated-kernel TRUNCATED_KERNEL'], 'ENOEXEC'],
    ['s390x', ['wrong-architecture ENOEXEC'], 'ENOEXEC'],
    // It ends after its version line.
    ['vmlinux', ['truncated-kernel TRUNCATED_KERNEL', 'not-a-kernel ENOEXEC'], 'ENOEXEC'],
    ['lzo', ['not-a-kernel ENOEXEC'], 'ENOEXEC'],
    ['short', ['not-a-kernel ENOEXEC'], 'ENOEXEC'],
    // This one we unpack before the kernel is asked.
    ['bzImage.gz', [], 'ENOEXEC'],
  ]
  test.each(files)('%s', async (name, prediction, answer) => {
    const kernel = `/cases/${name}`
    // Of a vmlinux, what kexec_file_load says: by itself it would go through kexec_load.
    expect(await predicted({ kernel, ...(name === 'vmlinux' ? { engine: 'file' } : {}) })).toEqual(prediction)
    expect((await answered({ kernel })).answer).toBe(answer)
  })

  test('a real kernel of 32 bits', async ({ skip }) => {
    if (i386 === undefined) return skip()
    expect(await predicted({ kernel: i386 })).toEqual(['wrong-architecture ENOEXEC'])
    expect(await answered({ kernel: i386 })).toMatchObject({
      answer: 'ENOEXEC',
      log: expect.stringContaining('XLF_KERNEL_64 is not set'),
    })
  })

  test('cut off: the kernel takes it, unless nearly nothing is left', async () => {
    await vm.run(`head -c 5000000 ${kernel} > /made/half; head -c 600 ${kernel} > /made/stub`)
    expect(await predicted({ kernel: '/made/half' })).toEqual(['truncated-kernel TRUNCATED_KERNEL'])
    expect((await answered({ kernel: '/made/half' })).answer).toBe('taken')
    expect(await predicted({ kernel: '/made/stub' })).toEqual(['truncated-kernel ENOEXEC'])
    expect((await answered({ kernel: '/made/stub' })).answer).toBe('ENOEXEC')
  })

  test('for a 64-bit machine, asked for by a program that takes it for one of 32 bits', async () => {
    const { stdout } = await vm.run(`setarch i686 linux-kexec plan ${kernel} --no-initrd --command-line ro --json`)
    expect(JSON.parse(stdout).refusals).toEqual([])
    expect((await vm.run('setarch i686 uname -m')).stdout).toBe('i686\n')
  })
})

describe('a command line of', () => {
  const lengths: [length: number, prediction: string[], answer: string, log: RegExp][] = [
    [2016, [], 'taken', /^/],
    // Linux 6.1 says nothing of why.
    [2017, ['cmdline-too-long EINVAL'], 'EINVAL', /^/],
    [2047, ['cmdline-too-long EINVAL'], 'EINVAL', /Kernel command line too long/],
  ]
  test.each(lengths)('%i bytes', async (length, prediction, answer, log) => {
    const commandLine = 'a'.repeat(length)
    expect(await predicted({ kernel, commandLine })).toEqual(prediction)
    const said = await answered({ kernel, commandLine })
    expect(said.answer).toBe(answer)
    expect(said.log).toMatch(log)
  })
})

describe(`an initrd, on a machine of ${MEMORY} MiB, of`, () => {
  test('200 MiB is taken', async () => {
    const initrd = await sparse(200 * MIB)
    expect(await predicted({ kernel, initrd })).toEqual([])
    expect((await answered({ kernel, initrd })).answer).toBe('taken')
  })

  test('more than half of the memory', async () => {
    const initrd = await sparse(480 * MIB)
    expect(await predicted({ kernel, initrd })).toEqual(['no-memory EINVAL'])
    expect((await answered({ kernel, initrd })).answer).toBe('EINVAL')
  })

  test('less than half, but twice of it more than there is: the OOM killer ends the program that loads', async () => {
    const initrd = await sparse(380 * MIB)
    expect(await predicted({ kernel, initrd })).toEqual(['no-memory ENOMEM'])
    expect((await answered({ kernel, initrd })).answer).toBe('status 137')
    expect((await vm.run('dmesg')).stdout).toMatch(/Out of memory: Killed process \d+ \(node\)/)
  })

  test('more than all of the memory', async () => {
    const initrd = await sparse(1200 * MIB)
    expect(await predicted({ kernel, initrd })).toEqual(['no-memory ENOMEM'])
    expect((await answered({ kernel, initrd })).answer).toBe('ENOMEM')
  })

  test('more than kexec_file_load reads, of whatever memory', async () => {
    const initrd = await sparse(4096 * MIB + 1)
    expect(await predicted({ kernel, initrd })).toEqual(['initrd-too-large EFBIG', 'no-memory ENOMEM'])
    expect((await answered({ kernel, initrd })).answer).toBe('EFBIG')
  })
})

describe('a crash kernel', () => {
  test('larger than what is reserved for it', async () => {
    const initrd = await sparse(60 * MIB)
    expect(await predicted({ kernel, initrd, panic: true })).toEqual(['no-crash-memory EADDRNOTAVAIL'])
    expect((await answered({ kernel, initrd, panic: true })).answer).toBe('EADDRNOTAVAIL')
  })

  test('with nothing reserved for it', async () => {
    // What was reserved can be given back.
    expect(await vm.run('echo 0 > /sys/kernel/kexec_crash_size')).toMatchObject({ status: 0 })
    expect(await predicted({ kernel, panic: true })).toEqual(['no-crash-memory EADDRNOTAVAIL'])
    expect((await answered({ kernel, panic: true })).answer).toBe('EADDRNOTAVAIL')
  })
})
