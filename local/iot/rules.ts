/** The rules engine: puts each publish on the queues of the rules whose topic filter and condition it matches. */
import { randomUUID } from 'node:crypto'
import { SqsStore } from '../../node_modules/fauxqs/dist/sqs/sqsStore.js'
import type { Queue } from '../sqs/queue-server.ts'
import { type Publish, parseRuleSql, topicMatches } from './rule-sql.ts'

export interface Rule {
  name: string
  sql: string
  target: Queue
  errorTarget: Queue | undefined
}

/** SQS refuses a larger message. */
const MAX_MESSAGE_BYTES = 1_048_576

export class RulesEngine {
  readonly #rules

  constructor(rules: Rule[]) {
    this.#rules = rules.map((rule) => ({ ...rule, query: parseRuleSql(rule.sql) }))
  }

  /** When this returns, the message is on disk in every queue that it belongs to. Throws when it cannot be stored. */
  run(message: { topic: string; payload: Buffer; clientId: string }): void {
    const publish: Publish = { ...message, receivedAt: Date.now(), traceId: randomUUID() }
    for (const rule of this.#rules) {
      if (!topicMatches(rule.query.filter, publish.topic) || !rule.query.accepts(publish)) continue
      const body = JSON.stringify(rule.query.select(publish))
      try {
        send(rule.target, body)
      } catch (error) {
        if (!rule.errorTarget) throw error
        send(rule.errorTarget, errorDocument(rule, publish, error))
      }
    }
  }
}

function send(queue: Queue, body: string): void {
  if (Buffer.byteLength(body) > MAX_MESSAGE_BYTES) throw new Error(`Message is longer than ${MAX_MESSAGE_BYTES} bytes`)
  queue.enqueue(SqsStore.createMessage(body))
}

/** https://docs.aws.amazon.com/iot/latest/developerguide/rule-error-handling.html, "Error action message format" */
function errorDocument(rule: Rule, publish: Publish, error: unknown): string {
  return JSON.stringify({
    ruleName: rule.name,
    topic: publish.topic,
    cloudwatchTraceId: publish.traceId,
    clientId: publish.clientId,
    base64OriginalPayload: publish.payload.toString('base64'),
    failures: [{ failedAction: 'SqsAction', failedResource: rule.target.name, errorMessage: String(error) }],
  })
}
