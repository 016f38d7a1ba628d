import * as v from 'valibot'
import { LiveServerMessage, type LiveClientMessage } from '../../../schemas/live.ts'

/** Opens a WebSocket and tells of it; live-socket tests give one of their own. */
export type OpenWebSocket = (
  url: string,
  events: { opened(): void; message(data: unknown): void; closed(): void },
) => { send(data: string): void; close(): void }

export interface LinkEvents {
  opened(): void
  message(message: LiveServerMessage): void
  /** Told once, whoever ended it. Nothing is told after it. */
  closed(): void
}

export interface LiveLink {
  send(message: LiveClientMessage): void
  /** Asks whether the other side is still there; a link that does not answer closes. */
  probe(): void
  close(): void
}

const OPEN_WITHIN_MS = 10_000
const PONG_WITHIN_MS = 5_000
/** API Gateway ends a connection after 10 min without traffic. */
const PING_EVERY_MS = 5 * 60_000
/** A cable that was pulled closes nothing: a link that has said nothing for this long is asked. */
const PROBE_AFTER_SILENCE_MS = 30_000

/** One WebSocket, watched: it either works or says `closed`, also when the network swallows everything. */
export function openLiveLink(url: string, open: OpenWebSocket, events: LinkEvents): LiveLink {
  let isOpen = false
  let ended = false
  let deadline = setTimeout(end, OPEN_WITHIN_MS)
  let silence: ReturnType<typeof setTimeout> | undefined
  const pings = setInterval(probe, PING_EVERY_MS)

  function end(): void {
    if (ended) return
    ended = true
    clearTimeout(deadline)
    clearTimeout(silence)
    clearInterval(pings)
    // A dead network delays the browser's own close event by minutes, so it is not waited for.
    socket.close()
    events.closed()
  }

  function send(message: LiveClientMessage): void {
    if (isOpen && !ended) socket.send(JSON.stringify(message))
  }

  function probe(): void {
    if (!isOpen || ended) return
    send({ type: 'ping' })
    clearTimeout(deadline)
    deadline = setTimeout(end, PONG_WITHIN_MS)
  }

  function heard(): void {
    clearTimeout(deadline)
    clearTimeout(silence)
    silence = setTimeout(probe, PROBE_AFTER_SILENCE_MS)
  }

  const socket = open(url, {
    opened() {
      if (ended) return
      isOpen = true
      heard()
      events.opened()
    },
    message(data) {
      if (ended) return
      heard()
      const message = parseMessage(data)
      if (message) events.message(message)
    },
    closed: end,
  })

  return { send, probe, close: end }
}

/** A frame that this version does not know is passed over: a newer server may send more than we understand. */
function parseMessage(data: unknown): LiveServerMessage | undefined {
  if (typeof data !== 'string') return undefined
  try {
    const parsed = v.safeParse(LiveServerMessage, JSON.parse(data))
    return parsed.success ? parsed.output : undefined
  } catch {
    return undefined
  }
}
