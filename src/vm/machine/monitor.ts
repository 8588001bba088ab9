import type { QemuProcess } from './qemu.ts'

/**
 * QEMU's machine protocol: greeting, then one JSON document a line. Answers matter only by their place among the events.
 * @returns a function that resolves when every event of before its call has been handed out; never, when QEMU is gone
 */
export function listenToMonitor(
  qemu: QemuProcess,
  onEvent: (event: string, reason: string | undefined) => void,
): () => Promise<void> {
  let rest = ''
  let questions = 0
  const asked = new Map<number, () => void>()
  qemu.monitor.write('{"execute":"qmp_capabilities"}\n')
  qemu.monitor.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const message = JSON.parse(line) as { id?: number; event?: string; data?: { reason?: string } }
      if (message.event !== undefined) onEvent(message.event, message.data?.reason)
      if (message.id !== undefined) asked.get(message.id)?.()
    }
  })
  return () =>
    new Promise((resolve) => {
      const id = ++questions
      asked.set(id, () => {
        asked.delete(id)
        resolve()
      })
      qemu.monitor.write(`{"execute":"query-status","id":${id}}\n`)
    })
}
