import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** What happens to bytes on their way from the server; calls `pass` with what arrives, at once, later or never. */
export type Tamper = (answer: Buffer, pass: (bytes: Buffer) => void) => void

export interface TamperedLine {
  port: number
  tamper: Tamper
  stop: () => Promise<void>
}

/** A TCP line to `port` on this machine whose answers can be delayed, cut and falsified; requests pass as they are. */
export async function startTamperedLine(port: number): Promise<TamperedLine> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect({ port, host: '127.0.0.1' })
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.on('data', (request) => upstream.write(request))
    upstream.on('data', (answer) => line.tamper(answer, (bytes) => client.write(bytes)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const line: TamperedLine = {
    port: (server.address() as AddressInfo).port,
    tamper: (answer, pass) => pass(answer),
    stop: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  return line
}
