// Where Node's headers are, so that building needs no download.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** `<prefix>` when the running Node came with its headers in `<prefix>/include/node`, else undefined. */
export function nodePrefixWithHeaders() {
  const prefix = dirname(dirname(process.execPath))
  // The second is where `npm install node` has them.
  const prefixes = [prefix, join(prefix, 'node_modules', `node-linux-${process.arch}`)]
  return prefixes.find((each) => existsSync(join(each, 'include/node/node_api.h')))
}
