import { fstatSync, readdirSync, readlinkSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import { fileBytes } from '../../../../src/bytes/bytes.ts'
import { type Choices, choose } from '../../../../src/plan/choices/choices.ts'
import { type Context, closeFiles, readContext } from '../../../../src/plan/context/context.ts'
import { type Prepared, prepare } from '../../../../src/plan/loading/preparation.ts'
import type { PrepareOptions } from '../../../../src/plan/loading/progress.ts'
import type { PlanOptions } from '../../../../src/plan/model/options.ts'
import { System } from '../../../../src/system/system.ts'

/** All that `plan` decides, before it says so. Its files are closed when the test is over. */
export async function decided(options: PlanOptions): Promise<{ context: Context; choices: Choices }> {
  const { value: context } = await readContext(new System(options.root), options)
  onTestFinished(() => closeFiles(context))
  return { context, choices: (await choose(context)).value }
}

/** What is given to the system call, made but not given. It is closed when the test is over. */
export async function preparedFor(options: PlanOptions, given: PrepareOptions = {}) {
  const { context, choices } = await decided(options)
  const prepared = await prepare(context, choices, given)
  onTestFinished(() => prepared.close())
  return { context, choices, prepared, ...contentOf(prepared) }
}

/** The bytes that the system call would read. */
export function contentOf({ kernelFd, initrdFd }: Prepared): { kernel: Buffer; initrd: Buffer | null } {
  return { kernel: bytesOf(kernelFd), initrd: initrdFd === -1 ? null : bytesOf(initrdFd) }
}

function bytesOf(fd: number): Buffer {
  const { size } = fstatSync(fd)
  return Buffer.from(fileBytes(fd, size).read(0, size))
}

/** The files in memory that this process holds. */
export function memoryFiles(): string[] {
  return openFiles().filter((link) => link.includes('memfd:linux-kexec'))
}

/** The open files of a directory. */
export function openIn(root: string): string[] {
  return openFiles().filter((link) => link.startsWith(root))
}

function openFiles(): string[] {
  const links = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      return []
    }
  })
  return links.sort()
}
