import type { SQSRecord } from 'aws-lambda'
import * as v from 'valibot'
import { DeadLetterCode } from '../../schemas/error-codes.ts'
import { QueueEnvelope, RuleErrorMessage } from '../../schemas/queues.ts'
import { parseTelemetryTopic } from '../../schemas/topics.ts'
import type { QuarantinedMessage } from '../data/quarantine-message.ts'
import { printableText } from '../runtime/printable-text.ts'

export interface ReadDeadLetter extends QuarantinedMessage {
  /** That the IoT rule gave it; empty when it did not arrive with one. */
  traceId: string
}

/** Which queue of dead letters a message has come from. */
export type Source = 'telemetry' | 'status' | 'ruleErrors'

/** Whatever it is, it can be stored: nothing is refused here. */
export function readDeadLetter(record: SQSRecord, source: Source): ReadDeadLetter {
  const body = Buffer.from(record.body)
  return {
    messageId: record.messageAttributes['messageId']?.stringValue ?? record.messageId,
    body,
    ...(source === 'ruleErrors' ? ruleError(record) : refused(record, source)),
  }
}

type Content = Omit<ReadDeadLetter, 'messageId' | 'body'>

/** Of a body that is not quite an envelope, what there is. */
const AnyEnvelope = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    topic: v.fallback(v.nullable(QueueEnvelope.entries.topic), null),
    clientId: v.fallback(v.nullable(QueueEnvelope.entries.clientId), null),
    receivedAt: v.fallback(v.nullable(QueueEnvelope.entries.receivedAt), null),
    payload: v.fallback(v.nullable(v.pipe(v.string(), v.base64())), null),
    traceId: v.fallback(QueueEnvelope.entries.traceId, ''),
  }),
)

/** A consumer says in attributes why it refused a message; SQS, which gives one up, says nothing. */
function refused(record: SQSRecord, queue: 'telemetry' | 'status'): Content {
  const code = v.safeParse(DeadLetterCode, record.messageAttributes['errorCode']?.stringValue)
  const reason = record.messageAttributes['errorMessage']?.stringValue
  const envelope = v.safeParse(AnyEnvelope, record.body)
  const { topic, clientId, receivedAt, payload, traceId } = envelope.success ? envelope.output : NOTHING
  return {
    queue,
    code: code.success ? code.output : 'given_up',
    message: printableText(reason ?? 'It was received too many times without being stored or refused'),
    ...origin(topic),
    thingName: clientId === null ? null : printableText(clientId),
    receivedAt,
    traceId,
    payload: payload === null ? Buffer.from(record.body) : Buffer.from(payload, 'base64'),
  }
}

const NOTHING = { topic: null, clientId: null, receivedAt: null, payload: null, traceId: '' }

/** The queue's own clock stands in for the broker's, which the rules engine's message does not tell. */
function ruleError(record: SQSRecord): Content {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), RuleErrorMessage), record.body)
  if (!parsed.success) {
    const message = 'The message is not one of the rules engine about an action that failed'
    const rest = { ...origin(null), thingName: null, receivedAt: null, traceId: '', payload: Buffer.from(record.body) }
    return { queue: 'telemetry', code: 'invalid_envelope', message, ...rest }
  }
  const { topic, clientId, base64OriginalPayload, failures, cloudwatchTraceId: traceId } = parsed.output
  return {
    queue: topic.startsWith('ops/') ? 'status' : 'telemetry',
    code: 'delivery_failed',
    message: printableText(failures.map((one) => `${one.failedResource}: ${one.errorMessage}`).join('; ')),
    ...origin(topic),
    thingName: printableText(clientId),
    traceId,
    receivedAt: Number(record.attributes.SentTimestamp),
    payload: Buffer.from(base64OriginalPayload, 'base64'),
  }
}

/** Names of the topic's places, also of one that no machine or gateway can have. */
function origin(topic: string | null): Pick<Content, 'topic' | 'tenant' | 'province' | 'plant' | 'machine'> {
  if (topic === null) return { topic, tenant: null, province: null, plant: null, machine: null }
  const printable = printableText(topic)
  const [root, tenant = null, province = null, plant = null] = printable.split('/')
  const machine = parseTelemetryTopic(topic)?.machine ?? null
  if (root !== 'factory' && root !== 'ops') return { ...origin(null), topic: printable }
  return { topic: printable, tenant, province, plant, machine }
}
