import type { SQSRecord } from 'aws-lambda'
import { TelemetryV1 } from '../../schemas/telemetry.ts'
import { type MachineAddress, parseTelemetryTopic } from '../../schemas/topics.ts'
import { openEnvelope, readPayload } from '../runtime/open-envelope.ts'
import { Refusal } from '../runtime/refusals.ts'

/** One valid telemetry message: what, of which machine, through which gateway and when. */
export interface Reading
  extends Pick<TelemetryV1, 'timestamp' | 'seq' | 'values' | 'quality' | 'units'>, MachineAddress {
  record: SQSRecord
  clientId: string
  /** Broker's clock, epoch ms. */
  receivedAt: number
  traceId: string
}

/** A reading from further ahead would hold last-write-wins until that time comes. */
const MAX_CLOCK_AHEAD_MS = 5 * 60_000

/** Everything that can be said of a message without asking the database. Throws a Refusal. */
export function readTelemetry({ record }: { record: SQSRecord }): Reading {
  const envelope = openEnvelope(record.body)
  const address = parseTelemetryTopic(envelope.topic)
  if (address === undefined) throw new Refusal('invalid_topic', topicHelp(envelope.topic))
  const message = readPayload(TelemetryV1, envelope.payload)
  const { timestamp, seq, values, units } = message
  const aheadMs = timestamp - Math.min(envelope.receivedAt, Date.now())
  if (aheadMs > MAX_CLOCK_AHEAD_MS) {
    throw new Refusal('timestamp_in_future', `The timestamp is ${Math.round(aheadMs / 1000)} s ahead of the broker`)
  }
  const { clientId, receivedAt, traceId } = envelope
  return {
    ...address,
    record,
    clientId,
    receivedAt,
    traceId,
    timestamp,
    seq,
    values,
    quality: qualityOf(message),
    units,
  }
}

const topicHelp = (topic: string) => `${topic} is not factory/{tenant}/{province}/{plant}/{machine}/telemetry`

/** Undefined when all is good; of a tag that the message has no value of it says nothing. */
function qualityOf({ values, quality }: TelemetryV1): TelemetryV1['quality'] {
  const ofValues = quality && Object.entries(quality).filter(([tag]) => Object.hasOwn(values, tag))
  return ofValues && ofValues.length > 0 ? Object.fromEntries(ofValues) : undefined
}
