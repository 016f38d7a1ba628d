import { SQSClient } from '@aws-sdk/client-sqs'
import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import * as v from 'valibot'
import type { Database } from '../data/database.ts'
import { isTransient } from '../data/postgres-errors.ts'
import { quarantineMessage } from '../data/quarantine-message.ts'
import { postgresEnvironment, readEnvironment } from '../runtime/environment.ts'
import { frame, logger, metricsOfCode } from '../runtime/frame.ts'
import { openPostgres } from '../runtime/postgres.ts'
import { retryLater } from '../runtime/retry-later.ts'
import { type ReadDeadLetter, readDeadLetter, type Source } from './read-dead-letter.ts'

const Url = v.pipe(v.string(), v.url())
const environment = readEnvironment({
  ...postgresEnvironment,
  TELEMETRY_DEAD_LETTERS_URL: Url,
  STATUS_DEAD_LETTERS_URL: Url,
  RULE_ERRORS_URL: Url,
})
const { db } = openPostgres<Database>(environment)
const sqs = new SQSClient()

const queueUrls: Record<Source, string> = {
  telemetry: environment.TELEMETRY_DEAD_LETTERS_URL,
  status: environment.STATUS_DEAD_LETTERS_URL,
  ruleErrors: environment.RULE_ERRORS_URL,
}

/**
 * From the queues of dead letters into the table in which people list, redrive and discard them. A message is handled when
 * it is stored; every other one stays in its queue, which keeps it while Postgres is away, and comes back later.
 */
export const handler = frame(async (event: SQSEvent): Promise<SQSBatchResponse> => {
  const source = sourceOf(event.Records[0]!)
  const unstored: SQSRecord[] = []
  let outcome: Outcome = 'stored'
  // One by one: a letter that cannot be stored leaves its neighbours alone.
  for (const record of event.Records) {
    if (outcome !== 'away') outcome = await store(readDeadLetter(record, source))
    if (outcome !== 'stored') unstored.push(record)
  }
  return retryLater(sqs, queueUrls[source], unstored)
})

/** `away`: the next one need not be tried. */
type Outcome = 'stored' | 'failed' | 'away'

async function store({ traceId, ...letter }: ReadDeadLetter): Promise<Outcome> {
  const { code, message, topic, thingName, messageId } = letter
  try {
    if (await quarantineMessage(db, letter)) {
      logger.info('Quarantined', { code, reason: message, topic, thingName, messageId, traceId })
      metricsOfCode(code).addMetric('QuarantinedMessages', 'Count', 1)
    }
    return 'stored'
  } catch (error) {
    if (isTransient(error)) {
      logger.warn('Postgres is away; the dead letters stay in their queue', { reason: (error as Error).message })
      return 'away'
    }
    logger.error('A dead letter cannot be stored; it stays in its queue', { messageId, traceId, error: error as Error })
    return 'failed'
  }
}

/** A batch is of one queue. */
function sourceOf({ eventSourceARN }: SQSRecord): Source {
  const name = eventSourceARN.split(':').at(-1)!
  const found = Object.entries(queueUrls).find(([, url]) => url.endsWith(`/${name}`))
  if (found === undefined) throw new Error(`${eventSourceARN} is none of the queues that this function was told of`)
  return found[0] as Source
}
