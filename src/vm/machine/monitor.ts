import type { QemuProcess } from './qemu.ts'

/** QEMU's machine protocol: greeting, then one JSON document a line. Only events matter here. */
export function listenToMonitor(qemu: QemuProcess, onEvent: (event: string, reason: string | undefined) => void): void {
  let rest = ''
  qemu.monitor.write('{"execute":"qmp_capabilities"}\n')
  qemu.monitor.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const message = JSON.parse(line) as { event?: string; data?: { reason?: string } }
      if (message.event !== undefined) onEvent(message.event, message.data?.reason)
    }
  })
}
