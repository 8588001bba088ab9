// Where Node's headers are, so that building needs no download.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** `<prefix>` when the running Node came with its headers in `<prefix>/include/node`, else undefined. */
export function nodePrefixWithHeaders() {
  const prefix = dirname(dirname(process.execPath))
  return existsSync(join(prefix, 'include/node/node_api.h')) ? prefix : undefined
}
