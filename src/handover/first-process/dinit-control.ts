import { connect, type Socket } from 'node:net'
import { endianness } from 'node:os'

/** The control socket of a dinit that runs the system, unless it was built for another path. */
export const CONTROL_SOCKET = '/run/dinitctl'

/** Requests and replies by their first byte: src/includes/control-cmds.h and service-constants.h of dinit. */
const QUERY_VERSION = 0
const SHUTDOWN = 10
const KEXEC = 6
const ACKNOWLEDGED = 50
const BAD_REQUEST = 52
const VERSION = 58

/** From here on a packet is unrequested news; its second byte is its length. */
const NEWS = 100

/** The protocol of dinit 0.19, which still understands the older requests. */
const NEWEST_KNOWN = 5

/** Most bytes read before an answer: news are short. */
const LIMIT = 64 * 1024

/**
 * Asks dinit to stop all services and to start the loaded kernel, as `shutdown -k` does.
 * @param deadline time for the answer, in milliseconds
 * @throws Error with the fault, one clause
 */
export async function askForKexec(path: string, deadline: number): Promise<void> {
  const socket = connect(path)
  socket.setTimeout(deadline, () => socket.destroy(new Error(`no answer on ${path} within ${deadline / 1000} s`)))
  const replies = repliesOf(socket)
  try {
    socket.write(Uint8Array.of(QUERY_VERSION))
    const version = await nextReply(replies, path, 5)
    if (version[0] !== VERSION) throw new Error(`the program that listens on ${path} is not dinit`)
    const oldest = endianness() === 'LE' ? version.readUInt16LE(1) : version.readUInt16BE(1)
    if (oldest > NEWEST_KNOWN) throw new Error(`the protocol on ${path} is too new (${oldest})`)
    socket.write(Uint8Array.of(SHUTDOWN, KEXEC))
    const [answer] = await nextReply(replies, path, 1)
    if (answer === BAD_REQUEST) throw new Error('this dinit does not support a shutdown by kexec')
    if (answer !== ACKNOWLEDGED) throw new Error(`the answer on ${path} is unknown (${answer})`)
  } finally {
    socket.destroy()
  }
}

/** Yields the requested number of bytes at a time; ends when the socket does. */
async function* repliesOf(socket: Socket): AsyncGenerator<Buffer, void, number> {
  let rest = Buffer.alloc(0)
  let taken = 0
  // The first value sent in starts the generator and is lost; every caller requests one byte first.
  let size = 1
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    taken += chunk.length
    if (taken > LIMIT) return
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= size) {
      const reply = rest.subarray(0, size)
      rest = rest.subarray(size)
      size = yield reply
    }
  }
}

/** The next reply that is an answer; of at least `length` bytes where it is the expected one. */
async function nextReply(replies: AsyncGenerator<Buffer, void, number>, path: string, length: number): Promise<Buffer> {
  const take = async (size: number) => {
    const { value } = await replies.next(size)
    if (!value) throw new Error(`${path} was closed without an answer`)
    return value
  }
  let first = await take(1)
  while ((first[0] as number) >= NEWS) {
    const [size = 0] = await take(1)
    if (size > 2) await take(size - 2)
    first = await take(1)
  }
  return length === 1 || first[0] === BAD_REQUEST ? first : Buffer.concat([first, await take(length - 1)])
}
