import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { KexecError } from '../../../src/errors.ts'
import { prepareMatrix } from '../../../src/matrix/matrix.ts'
import type { MatrixDefinition } from '../../../src/matrix/model/definition.ts'
import { arm64Image } from '../image/tools.ts'
import { kernelDirectory } from './records.ts'

const one = '5.10.0-46-cloud-amd64'
const two = '6.1.0-50-cloud-amd64'

/** The matrix of a file with this content, or what it is refused with. */
function prepared(content: unknown, directory = kernelDirectory(one, two)) {
  const file = join(directory, 'kernels.json')
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  try {
    return prepareMatrix(file)
  } catch (error) {
    if (!(error instanceof KexecError)) throw error
    return error
  }
}

function cells(content: MatrixDefinition, directory?: string): string[] {
  const made = prepared(content, directory)
  if (made instanceof KexecError) throw made
  return made.cells.map(({ from, to, engine, variant }) => [from.name, to.name, engine, variant].join(' '))
}

describe('a file that is wrong', () => {
  test.each<[unknown, string, string]>([
    ['{', 'kernels.json is not JSON', ''],
    [[], 'takes its options in an object', ''],
    [null, 'takes its options in an object', ''],
    [{ form: [one] }, "kernels.json has no option 'form'", "Did you mean 'from'?"],
    [{}, "kernels.json has no 'from'", ''],
    [{ from: [] }, "'from' of kernels.json is empty", ''],
    [{ from: one }, "'from' of kernels.json takes", ''],
    [{ from: [7] }, 'takes an array', ''],
    [{ from: [{ initrd: one }] }, "from[0] of kernels.json has no 'kernel'", ''],
    [{ from: [one, { kernel: two, intrd: one }] }, "from[1] of kernels.json has no option 'intrd'", "'initrd'"],
    [{ from: [one], to: [{ kernel: two, name: 'a\nb' }] }, "'name' of to[0] of kernels.json takes a text of one", ''],
    [{ from: [one], engine: 'segment' }, "'engine' of kernels.json takes", ''],
    [{ from: [one], engine: [] }, "'engine' of kernels.json is empty", ''],
    [{ from: [one], variants: [] }, "'variants' of kernels.json is empty", ''],
    [{ from: [one], variants: [{ apend: 'x' }] }, "variants[0] of kernels.json has no option 'apend'", "'append'"],
    [{ from: [one], init: 'true', variants: [{ expect: 'x' }] }, 'exclude each other', ''],
    [{ from: [one], variants: [{ name: 'x' }, { name: 'x' }] }, "two of the 'variants' are called 'x'", ''],
    [{ from: [{ kernel: one, name: two }, two] }, `two of the kernels of 'from' are called '${two}'`, '"name"'],
    [{ from: [one], timeout: '5' }, "'timeout' of kernels.json takes a number of milliseconds", ''],
    [{ from: [one], except: [{}] }, 'except[0] of kernels.json is empty', ''],
    [{ from: [one], except: [{ form: one }] }, "except[0] of kernels.json has no option 'form'", "'from'"],
    [{ from: [one], except: [{ from: '5.10.0-46-cloud-amd46' }] }, 'has no such from', `Did you mean '${one}'?`],
    [{ from: [one], except: [{ from: one }] }, 'the matrix has no cells', ''],
    [{ from: ['nowhere'] }, 'nowhere', ''],
    [{ from: [{ kernel: one, initrd: 'nowhere' }] }, 'a file of the matrix is not there', ''],
    [{ from: [one], overlay: ['nowhere:/x'] }, 'a file of the matrix is not there', ''],
  ])('%j', (content, message, hint) => {
    const error = prepared(content) as KexecError
    expect(error).toBeInstanceOf(KexecError)
    expect(error.message.replace("the option '", "'")).toContain(message)
    expect(error.hint ?? '').toContain(hint)
  })

  test('is not there', () => {
    expect(() => prepareMatrix('/nowhere/kernels.json')).toThrow(expect.objectContaining({ reason: 'not-found' }))
  })
})

describe('the cells', () => {
  test('are every pair with every engine in every variant, without the exceptions', () => {
    const matrix: MatrixDefinition = {
      from: [one, { kernel: two, name: 'six' }],
      engine: ['file', 'segments'],
      variants: [{ name: 'plain' }, { append: 'quiet' }],
      except: [
        { from: 'six', engine: 'segments' },
        { variant: '#2', to: ['six'] },
        { from: one, to: one },
      ],
    }
    expect(cells(matrix)).toEqual([
      `${one} six file plain`,
      `six ${one} file plain`,
      'six six file plain',
      `${one} six segments plain`,
      `six ${one} file #2`,
    ])
  })

  test('have the settings of the matrix, and before them those of the variant; paths are of its directory', () => {
    const directory = kernelDirectory(one, two)
    const made = prepared(
      {
        from: [one],
        to: [{ kernel: two, initrd: [one, two] }],
        ...{ append: 'a', timeout: 5, overlay: [`${one}:/x`], rootImage: one },
        variants: [{ append: ['b', 'c'] }, { memory: 512 }],
      },
      directory,
    )
    const [first, second] = (made as ReturnType<typeof prepareMatrix>).cells
    const common = { timeout: 5, overlay: [{ source: join(directory, one), destination: '/x' }] }
    expect(first).toMatchObject({
      architecture: 'x86_64',
      engine: 'auto',
      to: { initrds: [join(directory, one), join(directory, two)] },
    })
    expect(first?.settings).toEqual({ ...common, rootImage: join(directory, one), append: ['b', 'c'] })
    expect(second?.settings).toEqual({ ...common, rootImage: join(directory, one), append: 'a', memory: 512 })
  })

  test('are of one architecture each', () => {
    const directory = kernelDirectory(one)
    writeFileSync(join(directory, 'Image'), arm64Image())
    const made = prepared({ from: [one, { kernel: 'Image', name: 'arm' }] }, directory)
    const pairs = (made as ReturnType<typeof prepareMatrix>).cells.map(({ from, to, architecture }) => [
      from.name,
      to.name,
      architecture,
    ])
    expect(pairs).toEqual([
      [one, one, 'x86_64'],
      ['arm', 'arm', 'aarch64'],
    ])
  })

  test('two kernels of the same release are called by their files', () => {
    const directory = kernelDirectory(one)
    writeFileSync(join(directory, 'again'), arm64Image())
    expect(cells({ from: [one, `./${one}`], to: [one] }, directory)).toEqual([
      `${one} ${one} auto `,
      `./${one} ${one} auto `,
    ])
  })
})
