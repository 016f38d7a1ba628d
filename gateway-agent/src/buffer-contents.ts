import type { TelemetryV1 } from '../../schemas/telemetry.ts'
import type { Outbox } from './outbox.ts'

const AT_A_TIME = 500

export interface ExportedMessage {
  machine: string
  message: TelemetryV1
}

/** Everything that waits now, oldest first; what is sent meanwhile may be missing. */
export function* exportedMessages(outbox: Outbox): Generator<ExportedMessage> {
  const until = outbox.lastId
  for (let after = 0; ;) {
    const messages = outbox.peek({ after, until, limit: AT_A_TIME })
    if (messages.length === 0) return
    for (const { machine, payload } of messages) yield { machine, message: JSON.parse(payload) as TelemetryV1 }
    after = messages.at(-1)!.id
  }
}
