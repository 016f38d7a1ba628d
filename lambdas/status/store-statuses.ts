import type { SQSRecord } from 'aws-lambda'
import type { Kysely } from 'kysely'
import type { Database } from '../data/database.ts'
import { declareRanges } from '../data/declare-ranges.ts'
import type { ConnectionChange } from '../data/gateway-connections.ts'
import type { Place, Places } from '../data/places.ts'
import { isTransient } from '../data/postgres-errors.ts'
import { type Presence, updatePresence } from '../data/update-presence.ts'
import { logger, metrics } from '../runtime/frame.ts'
import { type DeadLetter, judgeEach, Refusal } from '../runtime/refusals.ts'
import { applyStatus, connectionChange, inBrokerOrder } from './apply-status.ts'
import type { StatusMessage } from './read-status.ts'

/** A gateway whose presence has changed, with the messages that did it, oldest first. */
export interface PresenceChange {
  presence: Presence
  messages: StatusMessage[]
}

/** Applies the messages to the gateways, all in one transaction. When it cannot be done, all of them come back. */
export async function storeStatuses(
  { db, places }: { db: Kysely<Database>; places: Places },
  messages: StatusMessage[],
  refused: DeadLetter[],
): Promise<{ changes: PresenceChange[]; unstored: SQSRecord[] }> {
  const refusals: DeadLetter[] = []
  try {
    await places.load(messages)
    const placed: (StatusMessage & Place)[] = judgeEach(messages, refusals, (message) => ({
      ...message,
      ...places.of(message),
    }))
    const changes = placed.length === 0 ? [] : await applyAll(db, placed, refusals)
    const gone = new Set(refusals.map(({ record }) => record))
    await declareAll(
      db,
      placed.filter(({ record }) => !gone.has(record)),
    )
    refused.push(...refusals)
    return { changes, unstored: [] }
  } catch (error) {
    const log = isTransient(error) ? logger.warn.bind(logger) : logger.error.bind(logger)
    log('Statuses cannot be stored; the batch comes back', error as Error)
    return { changes: [], unstored: messages.map((message) => message.record) }
  }
}

async function applyAll(
  db: Kysely<Database>,
  messages: (StatusMessage & Place)[],
  refusals: DeadLetter[],
): Promise<PresenceChange[]> {
  const byGateway = Map.groupBy(inBrokerOrder(messages), (message) => message.gatewayId)
  const applied = new Map<string, StatusMessage[]>()
  const changed = await updatePresence(db, [...byGateway.keys()], (before) => {
    const effective: StatusMessage[] = []
    const connections: ConnectionChange[] = []
    const after = byGateway.get(before.gatewayId)!.reduce((presence, message) => {
      const next = applyStatus(presence, message)
      if (next !== presence) effective.push(message)
      const change = connectionChange(presence, next)
      if (change !== undefined) connections.push(change)
      return next
    }, before)
    applied.set(before.gatewayId, effective)
    return { after, connections }
  })
  // Removed while its place was still remembered: it can be told of no more.
  for (const { record, gatewayId, thingName } of messages.filter((message) => !applied.has(message.gatewayId))) {
    const refusal = new Refusal('unknown_gateway', `The gateway ${thingName} (${gatewayId}) has been removed`)
    refusals.push({ record, refusal })
  }
  return changed.map((presence) => ({ presence, messages: applied.get(presence.gatewayId)! }))
}

/** Of older heartbeats too: what they declare does not depend on their order. */
async function declareAll(db: Kysely<Database>, messages: (StatusMessage & Place)[]): Promise<void> {
  const declarations = messages.flatMap(({ status, ...message }) =>
    status.state === 'online' && status.ledger !== undefined
      ? [{ ...message, timestamp: status.timestamp, ledger: status.ledger }]
      : [],
  )
  if (declarations.length === 0) return
  const refused = await declareRanges(db, declarations)
  if (refused === 0) return
  metrics.addMetric('RefusedRanges', 'Count', refused)
  logger.error('Declared ranges are refused: a gateway has declared too many outboxes of one machine', {
    refused,
    gateways: [...new Set(declarations.map((one) => one.thingName))],
  })
}
