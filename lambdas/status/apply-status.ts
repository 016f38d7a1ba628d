import type { ConnectionChange } from '../data/gateway-connections.ts'
import { clockSkewMs, hasRestarted, withHeartbeat } from '../data/heartbeats.ts'
import type { Presence } from '../data/update-presence.ts'
import type { StatusMessage } from './read-status.ts'

/**
 * Presence after one more message. It is `before` itself when the message says nothing new: it is older than what is
 * shown, or the will of a session that another has taken over (the broker sends it after the new session's heartbeat).
 * Of two messages in the same millisecond the offline one came last: a session sends nothing after it.
 */
export function applyStatus(before: Presence, message: Pick<StatusMessage, 'status' | 'receivedAt'>): Presence {
  const { status, receivedAt } = message
  if (isOlder(before, message)) return before
  if (status.state === 'online') {
    const heartbeats = withHeartbeat(before.heartbeats, {
      receivedAt,
      clockSkewMs: receivedAt - status.timestamp,
      queuedMessages: status.health.buffer.queuedMessages,
      uptimeSec: status.gateway.uptimeSec,
    })
    return {
      ...before,
      lifecycle: before.lifecycle === 'enrolled' ? 'active' : before.lifecycle,
      connection: 'online',
      reason: null,
      sessionId: status.sessionId ?? null,
      statusAt: receivedAt,
      lastSeenAt: Math.max(receivedAt, before.lastSeenAt ?? 0),
      clockSkewMs: clockSkewMs(heartbeats),
      status,
      heartbeats,
    }
  }
  const { sessionId, reason } = status
  if (sessionId !== undefined && before.sessionId !== null && sessionId !== before.sessionId) return before
  // The broker sends the will: it does not mean that the gateway was heard.
  const lastSeenAt = reason === 'shutdown' ? Math.max(receivedAt, before.lastSeenAt ?? 0) : before.lastSeenAt
  return { ...before, connection: 'offline', reason, statusAt: receivedAt, lastSeenAt }
}

function isOlder(
  { statusAt, connection }: Presence,
  { status, receivedAt }: Pick<StatusMessage, 'status' | 'receivedAt'>,
): boolean {
  if (statusAt === null || receivedAt > statusAt) return false
  // Or the last heartbeat once more, which is no news of a gateway that has been silent since.
  return receivedAt < statusAt || (connection !== 'online' && status.state === 'online')
}

/** What the step from one presence to the next adds to the history of the connection, if anything. */
export function connectionChange(before: Presence, after: Presence): ConnectionChange | undefined {
  const { gatewayId, connection, reason, sessionId, statusAt } = after
  if (after === before || connection === 'never') return undefined
  const restarted = connection === 'online' && hasRestarted(before.heartbeats.at(-1), after.heartbeats.at(-1)!)
  const same = connection === before.connection && reason === before.reason && sessionId === before.sessionId
  if (same && !restarted) return undefined
  const endsSilence = before.connection === 'stale' || before.connection === 'unknown'
  return { gatewayId, at: statusAt!, connection, reason, sessionId, restarted, endsSilence }
}

/** In the broker's order, as one batch may hold several of one gateway in any order. */
export const inBrokerOrder = <Message extends Pick<StatusMessage, 'status' | 'receivedAt'>>(messages: Message[]) =>
  messages.toSorted(
    (a, b) => a.receivedAt - b.receivedAt || Number(b.status.state === 'online') - Number(a.status.state === 'online'),
  )
