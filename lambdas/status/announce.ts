import type { StatusEvent } from '../../schemas/queues.ts'
import { announceGateways, type Realtime } from '../data/announce-gateways.ts'
import type { StatusMessage } from './read-status.ts'
import type { PresenceChange } from './store-statuses.ts'

/** After the commit, like ingest's: tells of the change where somebody listens, and never fails. */
export async function announce(realtime: Realtime, changes: PresenceChange[]): Promise<void> {
  const news = changes.map(({ presence, messages }) => {
    const { tenant, plant } = messages[0]!
    return { tenant, plant, presence, events: () => messages.map(eventOf) }
  })
  await announceGateways(realtime, news)
}

function eventOf({ tenant, province, plant, thingName, status, receivedAt, traceId }: StatusMessage): StatusEvent {
  const { state, timestamp } = status
  return {
    ...{ type: 'status', tenant, province, plant, thingName, state, timestamp, receivedAt, traceId },
    ...(status.state === 'offline' && { reason: status.reason }),
  }
}
