// Publishes a version: copies kernel and initrd into the server's directory, and signs their manifest.
// node publish.mjs PRIVATE_KEY DIRECTORY PRODUCT VERSION KERNEL INITRD
import { createHash, createPrivateKey, sign } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [privateKey, directory, product, version, kernel, initrd] = process.argv.slice(2)

/** A name of its own for each version: a download that is resumed never gets two versions mixed. */
function publish(kind, source) {
  const bytes = readFileSync(source)
  const file = `${kind}-${version}`
  writeFileSync(join(directory, file), bytes)
  return { file, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}

const manifest = {
  schemaVersion: 1,
  product,
  version: Number(version),
  kernel: publish('kernel', kernel),
  initrd: publish('initrd', initrd),
}
const bytes = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)
const signature = sign(null, bytes, createPrivateKey(readFileSync(privateKey)))
// An updater that comes between the two renames sees a wrong signature, and tries again later.
for (const [name, contents] of [
  ['manifest.json', bytes],
  ['manifest.json.sig', signature],
]) {
  writeFileSync(join(directory, `${name}.new`), contents)
  renameSync(join(directory, `${name}.new`), join(directory, name))
}
