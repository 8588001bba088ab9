import { bytesOfText, textOfBytes } from '../../exact-text.ts'
import { editFile } from '../../system/edit-file.ts'
import type { SettingFile } from './setting-file.ts'

/** A file of lines with a keyword and a value; of several lines with a keyword the last counts. */
interface LineFormat {
  readonly what: string
  /** Whether letter case is ignored in keywords. */
  readonly ignoresCase: boolean
  /** Lines from the first to the second keyword are text; the boot loader skips them. */
  readonly block?: readonly [begin: string, end: string]
}

/** extlinux.conf, syslinux.cfg and their kin: src/entries/extlinux/reader.ts. */
export const extlinuxFile = lineFile({
  what: 'the configuration of extlinux',
  ignoresCase: true,
  block: ['text', 'endtext'],
})

/** loader.conf(5): src/entries/bls/loader-conf.ts. */
export const loaderConfFile = lineFile({ what: 'the configuration of systemd-boot', ignoresCase: false })

function lineFile(format: LineFormat): SettingFile {
  return {
    what: format.what,
    look: (path) => `cat ${path}`,
    valueIn: (content, name) => {
      const found = lastLine(content, name, format)
      return found === undefined ? null : textOfBytes(content.subarray(found.from, found.to))
    },
    withValue: (content, name, value) => withValue(content, name, value, format),
    write: (host, content) => editFile(host, content),
  }
}

/** Where a line stands, and its value in it; bytes. */
interface Line {
  readonly start: number
  /** Behind its line break. */
  readonly end: number
  readonly from: number
  readonly to: number
}

function withValue(content: Buffer, name: string, value: string | null, format: LineFormat): Buffer | string {
  if (value !== null && !isValue(value)) return `a line ${name} cannot name '${value}'`
  const line = lastLine(content, name, format)
  if (line === undefined) return value === null ? content : Buffer.concat([lineOf(name, value, content), content])
  if (value === null) return Buffer.concat([content.subarray(0, line.start), content.subarray(line.end)])
  // Else it could not be put back.
  if (!isValue(content.toString('latin1', line.from, line.to))) return `its line ${name} has no value`
  return Buffer.concat([content.subarray(0, line.from), bytesOfText(value), content.subarray(line.to)])
}

function isValue(text: string): boolean {
  return text !== '' && text.trim() === text && !/[\0\r\n]/.test(text)
}

/** A new line stands at the top, outside of any label, and ends as the first line does. */
function lineOf(name: string, value: string, content: Buffer): Buffer {
  const feed = content.indexOf('\n')
  return bytesOfText(`${name} ${value}${content[feed - 1] === 0x0d ? '\r\n' : '\n'}`)
}

function lastLine(content: Buffer, name: string, { ignoresCase, block }: LineFormat): Line | undefined {
  const same = (word: string) => (ignoresCase ? word.toLowerCase() : word)
  let found: Line | undefined
  let isText = false
  for (let start = 0; start < content.length; ) {
    const feed = content.indexOf('\n', start)
    const end = feed < 0 ? content.length : feed + 1
    const { word, from, to } = partsOf(content, start, end)
    if (isText) isText = same(word) !== block?.[1]
    else if (same(word) === block?.[0]) isText = true
    else if (same(word) === same(name)) found = { start, end, from, to }
    start = end
  }
  return found
}

const BLANKS: readonly number[] = [0x20, 0x09, 0x0d, 0x0a]

/** The first word of a line, and where the rest stands, without the blanks around it. */
function partsOf(content: Buffer, start: number, end: number) {
  const isBlank = (at: number) => BLANKS.includes(content[at] as number)
  let first = start
  while (first < end && isBlank(first)) first++
  let behind = first
  while (behind < end && !isBlank(behind)) behind++
  let from = behind
  while (from < end && isBlank(from)) from++
  let to = end
  while (to > from && isBlank(to - 1)) to--
  // A keyword without a value: no byte behind it counts.
  if (to <= from) [from, to] = [behind, behind]
  return { word: content.toString('latin1', first, behind), from, to }
}
