import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { memoryBytes } from '../../modules/bytes/bytes.js'
import { KexecError } from '../../modules/errors.js'
import { listArchive } from '../../modules/initrd/archive-entries.js'
import { checkInitrdContent } from '../../modules/initrd/content.js'
import { gatherOverlays, overlayArchive } from '../../modules/initrd/overlay.js'
import { parseOverlay } from '../../modules/initrd/overlay-option.js'
import { InitrdTree } from '../../modules/initrd/tree.js'
import { unwrapInitrd } from '../../modules/initrd/wrapped.js'
import { archiveOf } from './archive.mjs'
import { containers, streams } from './image-seeds.mjs'
import { answered, Violations } from './sentence.mjs'

const root = { usr: null, 'usr/lib': null, lib: { link: 'usr/lib' }, init: '#!/bin/sh\n', 'etc/motd': 'text' }
const microcode = { 'kernel/x86/microcode/GenuineIntel.bin': 'microcode' }

/** Entries of an initrd, each with its type; after an empty line what is laid over it. */
const overlays = `d usr\nd usr/lib\nl lib usr/lib\nf init\nl loop loop\n
/source/file:/etc/motd\n/source/file:/lib/modules/\n/source/directory:/lib/a\n/source/directory\n/gone\n/source:/\n`

export const initrdTargets = [
  { name: 'initrd', more: initrds, parser: 'initrd', reaches: 'lookInside', read: readInitrd },
  {
    name: 'overlay',
    tree: { '/source/file': 'one', '/source/directory/two': 'two', '/source/directory/deeper/three': '' },
    more: () => [overlays, 'd lib\nf init\n\n/source/file:/lib/../x\n/source/file:/init/x\n'],
    parser: 'initrd',
    reaches: 'inTheWay',
    read: layOver,
  },
]

function initrds() {
  const archive = archiveOf(root)
  const packed = ['xz', 'lz4', 'zstd', 'bzip2', 'lzma'].map((name) => streams(name, archive)[0])
  return [
    archive,
    Buffer.concat([archiveOf(microcode), Buffer.alloc(512), gzipSync(archive)]),
    ...packed,
    ...containers().ramdisk,
  ]
}

async function readInitrd(bytes) {
  const violations = new Violations()
  const source = memoryBytes(bytes)
  const { description, refusal, warnings } = await checkInitrdContent(source)
  violations.sentences([
    description,
    ...warnings.map(({ text }) => text),
    ...(refusal === null ? [] : [refusal.summary, refusal.hint]),
  ])
  const wrapped = await unwrapInitrd(source)
  violations.sentences(wrapped?.problems ?? [])
  await listArchive(wrapped?.source ?? source, ({ name, size }) => {
    violations.check(!name.startsWith('/'), `the name ${JSON.stringify(name)} is absolute`)
    violations.check(Number.isSafeInteger(size) && size >= 0, `an entry has ${size} bytes`)
  })
  return violations.found
}

/** What is laid over the entries is an archive with everything that was not refused. */
async function layOver(bytes, { system }) {
  const violations = new Violations()
  const [entries = '', words = ''] = bytes.toString('utf8').split('\n\n', 2)
  const tree = new InitrdTree()
  const modes = { d: 0o040755, l: 0o120777, f: 0o100644 }
  for (const line of entries.split('\n')) {
    const [type, name, target = ''] = line.split(' ')
    if (modes[type] !== undefined && name) tree.add(name, modes[type], type === 'l' ? target : null)
  }
  const refused = []
  const wanted = words.split('\n', 50).filter(Boolean)
  const given = wanted.map((word) => parseOverlay(word, (path) => isBelow(path) && system.exists(path)))
  const mine = given.filter(({ source }) => isBelow(source))
  const items = gatherOverlays(system, mine, (refusal) => refused.push(refusal))
  violations.sentences(refused.map(({ message }) => message))
  const laid = answered(
    violations,
    (error) => error instanceof KexecError,
    () => overlayArchive(items, tree),
  )
  if (laid === undefined) return violations.found
  let files = 0
  const isWhole = await listArchive(laid.bytes, ({ name, mode }) => {
    if ((mode & 0o170000) === 0o100000) files++
    violations.check(!name.split('/').includes('..'), `the archive has the name ${JSON.stringify(name)}`)
  })
  violations.check(isWhole, 'the archive that was made cannot be read')
  const regular = items.filter(({ mode }) => (mode & 0o170000) === 0o100000).length
  violations.check(files === regular, `the archive has ${files} files of ${regular}`)
  return violations.found
}

/** Only what was laid out for it is read. */
function isBelow(path) {
  return join('/', path).startsWith('/source')
}
