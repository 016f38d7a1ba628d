import { SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs'
import { v4 as uuid } from 'uuid'
import type { FanOutWorkItem } from '../../schemas/queues.ts'
import type { PlantName } from './live-cache.ts'

const MAX_ENTRIES = 10

/** Asks for frames to the watchers of these plants: one group per plant, so that its frames are made in order. */
export async function requestFanOut(sqs: SQSClient, queueUrl: string, plants: PlantName[]): Promise<void> {
  for (let start = 0; start < plants.length; start += MAX_ENTRIES) {
    const Entries = plants.slice(start, start + MAX_ENTRIES).map(({ tenant, plant }, index) => ({
      Id: String(index),
      MessageBody: JSON.stringify({ tenant, plant } satisfies FanOutWorkItem),
      MessageGroupId: `${tenant}/${plant}`,
      MessageDeduplicationId: uuid(),
    }))
    const { Failed = [] } = await sqs.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries }))
    if (Failed.length > 0) throw new Error(`The fan-out queue refused ${Failed.length} items: ${Failed[0]!.Message}`)
  }
}
