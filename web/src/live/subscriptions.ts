import type { LiveClientMessage, LiveServerMessage } from '../../../schemas/live.ts'

export interface SubscriptionEvents {
  send(message: LiveClientMessage): void
  onSubscribed(plantId: string): void
  /** No snapshot came: the connection is not worth keeping. */
  onUnanswered(): void
}

const ANSWER_WITHIN_MS = 10_000
/** Also when frames are lost one after another, or the server fails: no more than one subscribe a second and plant. */
const AGAIN_AFTER_MS = 1_000

type Timer = ReturnType<typeof setTimeout>

/** Which plants the page wants, and which of them wait for their snapshot on the connection of now. */
export function createSubscriptions(events: SubscriptionEvents) {
  const wanted = new Set<string>()
  const unanswered = new Map<string, Timer>()
  /** Parts that have come of the snapshot that each of them waits for. */
  const came = new Map<string, { version: number; parts: Set<number> }>()
  const planned = new Map<string, Timer>()

  function subscribe(plantId: string): void {
    stop(planned, plantId)
    came.delete(plantId)
    awaitAnswer(plantId)
    events.onSubscribed(plantId)
    events.send({ type: 'subscribe', plant: plantId })
  }

  function awaitAnswer(plantId: string): void {
    stop(unanswered, plantId)
    unanswered.set(
      plantId,
      setTimeout(() => events.onUnanswered(), ANSWER_WITHIN_MS),
    )
  }

  /** A server that fails between two parts tells nobody. */
  function receivedPart({ plant, version, part, parts }: Extract<LiveServerMessage, { type: 'snapshot' }>): void {
    if (!unanswered.has(plant)) return
    const before = came.get(plant)
    const now = before?.version === version ? before : { version, parts: new Set<number>() }
    came.set(plant, now)
    now.parts.add(part)
    if (now.parts.size < parts) awaitAnswer(plant)
    else stop(unanswered, plant)
  }

  function again(plantId: string): void {
    if (!wanted.has(plantId) || planned.has(plantId)) return
    planned.set(
      plantId,
      setTimeout(() => subscribe(plantId), AGAIN_AFTER_MS),
    )
  }

  let connected = false
  return {
    again,
    add(plantId: string): void {
      wanted.add(plantId)
      if (connected) subscribe(plantId)
    },
    remove(plantId: string): void {
      wanted.delete(plantId)
      stop(planned, plantId)
      stop(unanswered, plantId)
      if (connected) events.send({ type: 'unsubscribe', plant: plantId })
    },
    /** On a connection that has just opened. */
    subscribeAll(): void {
      connected = true
      for (const plantId of wanted) subscribe(plantId)
    },
    /** The connection has gone. */
    pause(): void {
      connected = false
      for (const plantId of wanted) {
        stop(planned, plantId)
        stop(unanswered, plantId)
      }
    },
    received(message: LiveServerMessage): void {
      if (message.type === 'snapshot') receivedPart(message)
      if (message.type !== 'error' || message.plant === undefined) return
      stop(unanswered, message.plant)
      if (message.code === 'internal') again(message.plant)
    },
  }
}

function stop(timers: Map<string, Timer>, plantId: string): void {
  clearTimeout(timers.get(plantId))
  timers.delete(plantId)
}
