import type { SQSRecord } from 'aws-lambda'
import type { IngestErrorCode } from '../../schemas/error-codes.ts'

/** A message that can never be accepted, however often it comes. Thrown by the checks of one message. */
export class Refusal extends Error {
  override name = 'Refusal'
  readonly code: IngestErrorCode

  constructor(code: IngestErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

export interface DeadLetter {
  record: SQSRecord
  refusal: Refusal
}

/**
 * Runs one check on each message. What it refuses goes to `refused` and leaves its neighbours alone; any other error is
 * ours and ends the batch.
 */
export function judgeEach<Item extends { record: SQSRecord }, Result>(
  items: Item[],
  refused: DeadLetter[],
  judge: (item: Item) => Result,
): Result[] {
  const judged: Result[] = []
  for (const item of items) {
    try {
      judged.push(judge(item))
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      refused.push({ record: item.record, refusal: error })
    }
  }
  return judged
}
