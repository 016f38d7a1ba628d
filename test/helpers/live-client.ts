import { WebSocket } from 'ws'
import type { LiveServerMessage } from '../../schemas/live.ts'
import type { ApiClient } from './api-client.ts'

export interface LiveClient {
  messages: LiveServerMessage[]
  send: (message: unknown) => void
  sendText: (text: string) => void
  closed: Promise<number>
  stop: () => void
}

/** A browser's socket without the browser: ticket, connect, and every frame that comes. */
export async function openLiveSocket(api: ApiClient): Promise<LiveClient> {
  const { url, ticket } = (await api.post('/realtime/ticket')) as { url: string; ticket: string }
  const socket = new WebSocket(`${url}?ticket=${ticket}`)
  const messages: LiveServerMessage[] = []
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString()) as LiveServerMessage))
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve())
    socket.once('error', reject)
  })
  return {
    messages,
    send: (message) => socket.send(JSON.stringify(message)),
    sendText: (text) => socket.send(text),
    closed,
    stop: () => socket.terminate(),
  }
}
