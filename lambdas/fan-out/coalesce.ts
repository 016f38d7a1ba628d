import type { SQSRecord } from 'aws-lambda'
import * as v from 'valibot'
import { FanOutWorkItem } from '../../schemas/queues.ts'

/** One item per plant that names everything that all items of the batch name. Only our own functions send them. */
export function coalesce(records: SQSRecord[]): FanOutWorkItem[] {
  const items = records.map((record) => v.parse(FanOutWorkItem, JSON.parse(record.body)))
  const plants = Map.groupBy(items, (item) => `${item.tenant}/${item.plant}`)
  return [...plants.values()].map((ofPlant) => ({
    tenant: ofPlant[0]!.tenant,
    plant: ofPlant[0]!.plant,
    machines: [...new Set(ofPlant.flatMap((item) => item.machines))],
    gateways: [...new Set(ofPlant.flatMap((item) => item.gateways))],
  }))
}
