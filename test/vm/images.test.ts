import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fileBytes } from '../../src/bytes/bytes.ts'
import { extractKernel } from '../../src/image/unpack/extract.ts'
import {
  type Boot,
  buildGuest,
  type GuestKernel,
  newestKernels,
  type RunResult,
  startVm,
  type Vm,
} from '../../src/vm/index.ts'
import { everySecond, tarball } from './guests.ts'
import { recipes } from './image-recipes.ts'
import { FileDisk, type MadeImage, type Recipe, Workshop } from './images.ts'

const progress = (message: string) => console.error(`  ${message}`)

let shop: Workshop
let disk: FileDisk
/** Two, since there are two cores at least, and most of the time goes to booting. */
let machines: Vm[] = []
const started = everySecond(recipes, ({ given }) => given !== undefined)
const made = new Map<Recipe, MadeImage>()
const runs = new Map<Recipe, Promise<Run>>()

beforeAll(async () => {
  shop = await Workshop.open()
  const guest = await buildGuest({ kernels: await newestKernels({ progress }), tarball, progress })
  for (const [index, recipe] of [...started, ...recipes.filter((each) => !started.includes(each))].entries()) {
    // Of what one machine starts, each second has the other kernel, so that it shows when nothing was started.
    const kernel = guest.kernels[(1 + (index >> 1)) % guest.kernels.length] as GuestKernel
    made.set(recipe, await shop.make(recipe, kernel, index))
  }
  disk = new FileDisk(
    shop.path('disk'),
    [...made.values()].flatMap(({ file, initrd }) => [file, initrd]),
  )
  machines = await Promise.all([0, 1].map(() => startVm({ guest, disks: [disk.disk] })))
  await Promise.all(machines.map((vm) => vm.booted()))
  for (const [number, vm] of machines.entries()) {
    const share = started.filter((_, index) => index % machines.length === number)
    let before: Promise<unknown> = Promise.resolve()
    for (const recipe of share) {
      const run = before.then(() => start(vm, recipe))
      runs.set(recipe, run)
      // Its own test tells; the next one is tried all the same.
      before = run.catch(() => {})
    }
  }
})
afterAll(async () => {
  await Promise.all(machines.map((vm) => vm.stop()))
  shop?.close()
})

const named = recipes.map((recipe) => [recipe.name, recipe] as const)
const imageOf = (recipe: Recipe) => made.get(recipe) as MadeImage

describe('unpacked, the kernel is the one that was put in, byte for byte', () => {
  test.each(named)('%s', async (_name, recipe) => {
    const { file, kernel } = imageOf(recipe)
    const fd = openSync(file, 'r')
    const extracted = await extractKernel(fileBytes(fd, fstatSync(fd).size), { fd })
    expect(extracted.chain.map(({ format }) => format)).toEqual(recipe.chain)
    expect(extracted.image.version).toBe(kernel.release)
    const bytes = fileBytes(extracted.fd, extracted.size).read(0, extracted.size)
    expect(sha256(bytes)).toBe(sha256(readFileSync(kernel.kernel)))
    extracted.close()
    closeSync(fd)
  })
})

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

describe('loaded by our command and started, the machine is what the image says', () => {
  test.each(started.map((recipe) => [recipe.name, recipe] as const))('%s', async (_name, recipe) => {
    const { kernel, commandLine, told } = imageOf(recipe)
    const { load, boot, files } = (await runs.get(recipe)) as Run
    expect(load, load.stderr).toMatchObject({ status: 0 })
    expect(boot).toMatchObject({ release: kernel.release, commandLine })
    expect(files).toEqual(told)
  })
})

/** What came of loading an image and starting it. */
interface Run {
  readonly load: RunResult
  /** Null when it was not loaded. */
  readonly boot: Boot | null
  /** What was below /told of the initrds. */
  readonly files: Readonly<Record<string, string>>
}

async function start(vm: Vm, recipe: Recipe): Promise<Run> {
  const image = imageOf(recipe)
  const load = await vm.run(`
    ${disk.copy(image.file, '/tmp/image')}
    ${disk.copy(image.initrd, '/tmp/initrd')}
    ! command -v kexec && ${loadCommand(recipe, image)}`)
  if (load.status !== 0) return { load, boot: null, files: {} }
  await vm.spawn('linux-kexec exec')
  const boot = await vm.booted()
  const { stdout } = await vm.run('cd /dev/told && for file in *; do echo "$file=$(cat $file)"; done')
  const lines = stdout.trim().split('\n')
  return { load, boot, files: Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2))) }
}

/** What the image has not is given beside it. */
function loadCommand({ holds, profile, given }: Recipe, { commandLine }: MadeImage): string {
  if (profile !== undefined) return program(`{ kernel: '/tmp/image', profile: ${profile} }`)
  const quoted = JSON.stringify(commandLine)
  if (given === 'bytes') {
    const initrd = "initrds: [readFileSync('/tmp/initrd')]"
    return program(`{ kernel: readFileSync('/tmp/image'), ${initrd}, commandLine: ${quoted} }`)
  }
  if (given === 'stream') {
    return program(`{ kernel: kernel.body, initrds: [initrd.body], commandLine: ${quoted} }`, FETCHED)
  }
  const initrd = holds === 'kernel' ? ' --initrd /tmp/initrd' : ''
  return `linux-kexec load /tmp/image${initrd}${holds === 'all' ? '' : ` --command-line '${commandLine}'`}`
}

/** Kernel and initrd from an HTTP server. Node ends the body of a response that nothing refers to any more (undici). */
const FETCHED = {
  before: `const server = createServer(({ url }, response) => createReadStream('/tmp' + url).pipe(response)).listen(0)
await once(server, 'listening')
const get = (name) => fetch('http://localhost:' + server.address().port + name)
const [kernel, initrd] = await Promise.all([get('/image'), get('/initrd')])`,
  after: `console.log(kernel.status, initrd.status)
server.close()`,
}

/** Through the library, what cannot be said on a command line. */
function program(options: string, { before, after } = { before: '', after: '' }): string {
  return `cat > /root/load.mjs <<'END' && node /root/load.mjs
import { once } from 'node:events'
import { createReadStream, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { plan } from '/usr/lib/node_modules/linux-kexec/dist/index.js'
${before}
await (await plan(${options})).load()
${after}
END`
}
