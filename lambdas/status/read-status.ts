import type { SQSRecord } from 'aws-lambda'
import { StatusV1 } from '../../schemas/status.ts'
import { type GatewayAddress, parseStatusTopic } from '../../schemas/topics.ts'
import { openEnvelope, readPayload } from '../runtime/open-envelope.ts'
import { Refusal } from '../runtime/refusals.ts'

/** One valid status message of a gateway. */
export interface StatusMessage extends GatewayAddress {
  record: SQSRecord
  clientId: string
  /** Broker's clock, epoch ms: what statuses are ordered by. A will's own timestamp is that of the connect. */
  receivedAt: number
  traceId: string
  status: StatusV1
}

/**
 * Everything that can be said of a message without asking the database. Throws a Refusal. A clock that is far off is no
 * reason to refuse: it is measured and shown.
 */
export function readStatus({ record }: { record: SQSRecord }): StatusMessage {
  const { topic, clientId, receivedAt, traceId, payload } = openEnvelope(record.body)
  const address = parseStatusTopic(topic)
  if (address === undefined) {
    throw new Refusal('invalid_topic', `${topic} is not ops/{tenant}/{province}/{plant}/gateway/{thingName}/status`)
  }
  const status = readPayload(StatusV1, payload)
  const named = status.state === 'online' ? status.gateway.thingName : address.thingName
  if (clientId !== address.thingName || clientId !== named) {
    throw new Refusal(
      'client_topic_mismatch',
      `The client is ${clientId}, the topic is of ${address.thingName}, the payload of ${named}`,
    )
  }
  return { record, ...address, clientId, receivedAt, traceId, status }
}
