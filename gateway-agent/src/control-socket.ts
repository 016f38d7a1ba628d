import { once } from 'node:events'
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import * as v from 'valibot'
import { bufferOf, statusOf } from './agent-status.ts'
import type { Agent } from './agent.ts'
import { exportedMessages } from './buffer-contents.ts'
import { messageOf } from './failure.ts'

/**
 * What another process of this computer may ask the running agent: one line of JSON; the answer is lines of JSON until
 * the end. Only the agent's user and root reach the socket, by its folder's permissions and its own.
 */
export const ControlRequest = v.variant('command', [
  v.object({ command: v.literal('status') }),
  v.object({ command: v.literal('logs'), follow: v.boolean() }),
  v.object({ command: v.literal('buffer') }),
  v.object({ command: v.literal('export') }),
  v.object({ command: v.literal('drop') }),
])
export type ControlRequest = v.InferOutput<typeof ControlRequest>

const LONGEST_REQUEST = 1000

export const controlSocketIn = (dataDir: string) => join(dataDir, 'agent.sock')

/** Answers from now on. An agent whose socket cannot be opened works all the same. */
export function openControlSocket(agent: Agent): () => void {
  const { log, configuration } = agent
  const path = controlSocketIn(configuration.dataDir)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // Whoever asked has gone: nobody is left to tell.
    socket.on('error', () => socket.destroy())
    void serve(agent, socket)
  })
  server.on('error', (error) => log.warn(`${path}: no status of this agent can be asked: ${messageOf(error)}`))
  // The outbox is locked, so this can only be the socket of an agent that was killed.
  rmSync(path, { force: true })
  server.listen(path, () => chmodSync(path, 0o600))
  return () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
}

async function serve(agent: Agent, socket: Socket): Promise<void> {
  try {
    const request = v.parse(ControlRequest, JSON.parse(await firstLine(socket)))
    for await (const answer of answers(agent, request, socket)) {
      if (!socket.write(`${JSON.stringify(answer)}\n`)) await once(socket, 'drain')
    }
    socket.end()
  } catch (error) {
    socket.end(`${JSON.stringify({ error: messageOf(error) })}\n`)
  }
}

/** Not by node:readline, which is memory. */
async function firstLine(socket: Socket): Promise<string> {
  let text = ''
  while (!text.includes('\n')) {
    if (text.length > LONGEST_REQUEST) throw new Error('the request is too long')
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    text += chunk.toString()
  }
  return text.slice(0, text.indexOf('\n'))
}

async function* answers(agent: Agent, request: ControlRequest, socket: Socket): AsyncGenerator {
  switch (request.command) {
    case 'status':
      yield statusOf(agent)
      return
    case 'buffer':
      yield bufferOf(agent)
      return
    case 'export':
      yield* exportedMessages(agent.outbox)
      return
    case 'drop':
      yield { dropped: agent.outbox.dropAll() }
      agent.log.warn('buffer: everything that waited was dropped on command, and is declared')
      return
    case 'logs':
      yield* agent.log.lines
      if (!request.follow) return
      const stop = agent.log.follow((line) => socket.write(`${JSON.stringify(line)}\n`))
      await once(socket, 'close')
      stop()
  }
}
