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
    return {
      ...before,
      lifecycle: before.lifecycle === 'enrolled' ? 'active' : before.lifecycle,
      connection: 'online',
      reason: null,
      sessionId: status.sessionId ?? null,
      statusAt: receivedAt,
      lastSeenAt: Math.max(receivedAt, before.lastSeenAt ?? 0),
      clockSkewMs: receivedAt - status.timestamp,
      status,
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
  return receivedAt < statusAt || (connection === 'offline' && status.state === 'online')
}

/** In the broker's order, as one batch may hold several of one gateway in any order. */
export const inBrokerOrder = <Message extends Pick<StatusMessage, 'status' | 'receivedAt'>>(messages: Message[]) =>
  messages.toSorted(
    (a, b) => a.receivedAt - b.receivedAt || Number(b.status.state === 'online') - Number(a.status.state === 'online'),
  )
