import type { SQSRecord } from 'aws-lambda'
import * as v from 'valibot'
import { FanOutWorkItem } from '../../schemas/queues.ts'

/** The plants of a batch, each once. Only our own functions send these items. */
export function coalesce(records: SQSRecord[]): FanOutWorkItem[] {
  const items = records.map((record) => v.parse(FanOutWorkItem, JSON.parse(record.body)))
  return [...new Map(items.map((item) => [`${item.tenant}/${item.plant}`, item])).values()]
}
