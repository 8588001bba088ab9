import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { argv } from 'node:process'

/**
 * The server of an updater under test: the files of a directory, whole or from a byte on, and a place for reports, which it
 * keeps in `reports`, a line each. `requests` there has a line for each request.
 *
 * A file `stop` in the directory makes it fall silent in the next long answer, after as many bytes as it says. A file `refuse`
 * makes it refuse reports.
 */
export function serve(directory, port = 0) {
  const server = createServer((request, response) => {
    const name = new URL(request.url, 'http://localhost').pathname.slice(1)
    appendFileSync(
      join(directory, 'requests'),
      `${`${request.method} ${name} ${request.headers.range ?? ''}`.trim()}\n`,
    )
    if (request.method === 'POST') return take(directory, request, response)
    const path = join(directory, name)
    if (!/^[\w.-]+$/.test(name) || !existsSync(path)) return response.writeHead(404).end()
    send(directory, readFileSync(path), request, response)
  })
  server.listen(port, '127.0.0.1')
  return server
}

function take(directory, request, response) {
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    if (existsSync(join(directory, 'refuse'))) return response.writeHead(503).end()
    appendFileSync(join(directory, 'reports'), `${Buffer.concat(chunks)}\n`)
    response.writeHead(204).end()
  })
}

function send(directory, bytes, { headers }, response) {
  const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0)
  const length = bytes.length - from
  if (from === 0) response.writeHead(200, { 'content-length': length })
  else
    response.writeHead(206, {
      'content-length': length,
      'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
    })
  const stop = join(directory, 'stop')
  if (length < 10_000 || !existsSync(stop)) return response.end(bytes.subarray(from))
  const end = from + Number(readFileSync(stop, 'utf8'))
  rmSync(stop)
  response.write(bytes.subarray(from, end))
}

if (import.meta.filename === argv[1]) serve(argv[2], Number(argv[3]))
