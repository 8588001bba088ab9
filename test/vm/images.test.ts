import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fileBytes } from '../../src/image/bytes.ts'
import { extractKernel } from '../../src/image/extract.ts'
import { buildGuest, type GuestKernel, newestKernels, startVm, type Vm } from '../../src/vm/index.ts'
import { tarball } from './guests.ts'
import { recipes } from './image-recipes.ts'
import { FileDisk, type MadeImage, type Recipe, Workshop } from './images.ts'

const progress = (message: string) => console.error(`  ${message}`)

let shop: Workshop
let disk: FileDisk
let vm: Vm
const made = new Map<Recipe, MadeImage>()

beforeAll(async () => {
  shop = await Workshop.open()
  const guest = await buildGuest({ kernels: await newestKernels({ progress }), tarball, progress })
  // One of the two kernels after the other, so that it shows when nothing was started.
  for (const [index, recipe] of recipes.entries()) {
    const kernel = guest.kernels[(index + 1) % guest.kernels.length] as GuestKernel
    made.set(recipe, await shop.make(recipe, kernel, index))
  }
  disk = new FileDisk(
    shop.path('disk'),
    [...made.values()].flatMap(({ file, initrd }) => [file, initrd]),
  )
  vm = await startVm({ guest, disks: [disk.disk] })
  await vm.booted()
})
afterAll(async () => {
  await vm?.stop()
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
  test('there is no kexec-tools', async () => {
    expect((await vm.run('command -v kexec; ls /sbin/kexec /usr/sbin/kexec 2>/dev/null')).stdout).toBe('')
  })

  test.each(named)('%s', async (_name, recipe) => {
    const image = imageOf(recipe)
    const load = await vm.run(`
      ${disk.copy(image.file, '/tmp/image')}
      ${disk.copy(image.initrd, '/tmp/initrd')}
      ${loadCommand(recipe, image)}`)
    expect(load, load.stderr).toMatchObject({ status: 0 })
    await vm.spawn('linux-kexec exec')
    const boot = await vm.booted()
    expect(boot).toMatchObject({ release: image.kernel.release, commandLine: image.commandLine })
    expect(await filesOfInitrd()).toEqual(image.told)
  })
})

/** What the image has not is given beside it. */
function loadCommand({ holds, profile }: Recipe, { commandLine }: MadeImage): string {
  if (profile !== undefined) return program(`{ kernel: '/tmp/image', profile: ${profile} }`)
  const initrd = holds === 'kernel' ? ' --initrd /tmp/initrd' : ''
  return `linux-kexec load /tmp/image${initrd}${holds === 'all' ? '' : ` --command-line '${commandLine}'`}`
}

/** Through the library, whatever cannot be said on a command line. */
function program(options: string, before = ''): string {
  return `cat > /root/load.mjs <<'END'
import { plan } from '/usr/lib/node_modules/linux-kexec/dist/index.js'
${before}
await (await plan(${options})).load()
END
node /root/load.mjs`
}

async function filesOfInitrd(): Promise<Record<string, string>> {
  const { stdout } = await vm.run('cd /dev/told && for file in *; do echo "$file=$(cat $file)"; done')
  return Object.fromEntries(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(/=(.*)/s).slice(0, 2)),
  )
}
