import { createHash } from 'node:crypto'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheDirectory, cachedDirectory, present, prune } from '../host/cache.ts'
import { execute, ProvisionError } from '../host/process.ts'
import { DebianMirror, type Progress } from '../provision/debian.ts'

/** Bytes of the boot disk: GRUB's core image is about 130 KiB. */
const DISK_SIZE = 1024 * 1024

/** The most boot disks kept in the cache, and the time in milliseconds that others stay after their last use. */
const KEPT_DISKS = 8
const DISK_AGE = 24 * 60 * 60 * 1000

/** Words and double quotes with the same meaning to GRUB's shell and to the kernel. */
export const plainCommandLine = /^[\w\s=.,:/"+@%~^*?!-]*$/

/**
 * A disk with Debian's own GRUB for BIOS machines: boot sector, then the core image. GRUB loads the kernel from /boot of the
 * guest's root disk, whose cpio archive it reads as a file system (its module `newc`), so the disk needs no file system.
 * It does not wait for a key; an ordinary Debian waits five seconds.
 * @param initrd in GRUB's words
 * @returns path of the disk image
 * @throws RangeError for a command line that GRUB's shell would take apart
 */
export async function grubDisk(
  release: string,
  commandLine: string,
  progress: Progress,
  initrd = `/boot/initrd.img-${release}`,
): Promise<string> {
  if (!plainCommandLine.test(commandLine)) throw new RangeError(`not a command line for grub: ${commandLine}`)
  const mirror = await DebianMirror.open({ progress })
  const packages = await mirror.fetch(['grub-common', 'grub-pc-bin'], { dependencies: true })
  const directoryOf = (name: string) => packages.find((entry) => entry.name === name)?.directory ?? ''
  const modules = join(directoryOf('grub-pc-bin'), 'usr/lib/grub/i386-pc')
  const makeImage = await grubMakeImage(packages.map((each) => each.directory))
  const config = [
    'set root=(hd1)',
    `linux /boot/vmlinuz-${release} ${commandLine}`,
    `initrd ${initrd}`,
    'boot',
    '',
  ].join('\n')
  const disks = join(cacheDirectory(), 'boot-disks')
  const key = createHash('sha256').update(`${modules}\0${config}`).digest('hex').slice(0, 32)
  const directory = await cachedDirectory(join(disks, key), async (unfinished) => {
    const core = join(unfinished, 'core.img')
    await writeFile(join(unfinished, 'grub.cfg'), config)
    const libraries = packages
      .filter(({ name }) => name !== 'libc6')
      .flatMap(({ directory }) => libraryDirectories(directory))
    const options = [
      '-O',
      'i386-pc',
      '-d',
      modules,
      '-p',
      '(hd1)/boot/grub',
      '-c',
      join(unfinished, 'grub.cfg'),
      '-o',
      core,
    ]
    const parts = ['biosdisk', 'newc', 'linux', 'boot']
    await execute(makeImage, [...options, ...parts], {
      env: { ...process.env, LD_LIBRARY_PATH: libraries.join(':') },
    })
    const image = Buffer.concat([await readFile(join(modules, 'boot.img')), await readFile(core)])
    if (image.length > DISK_SIZE) throw new ProvisionError(`GRUB's core image is ${image.length} bytes, too large`)
    const disk = await open(join(unfinished, 'disk.img'), 'wx')
    await disk.write(image)
    await disk.truncate(DISK_SIZE)
    await disk.close()
  })
  await prune(disks, KEPT_DISKS, DISK_AGE)
  return join(directory, 'disk.img')
}

/** In grub-common, from GRUB 2.14 on in grub2-common. */
async function grubMakeImage(directories: readonly string[]): Promise<string> {
  for (const directory of directories) {
    const program = join(directory, 'usr/bin/grub-mkimage')
    if (await present(program)) return program
  }
  throw new ProvisionError('none of the packages of GRUB has a grub-mkimage')
}

function libraryDirectories(directory: string): string[] {
  return ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu'].map((path) => join(directory, path))
}
