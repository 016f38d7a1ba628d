/** Messages that ingest refuses, put on its queue as the IoT rule does: for the page of what is in quarantine. */
import { SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs'
import type { Endpoints } from '../../local/endpoints.ts'
import type { QueueEnvelope } from '../../schemas/queues.ts'

export async function sendRefusedMessages({ sqs, gateways }: Endpoints, now: number): Promise<void> {
  const client = new SQSClient({
    ...{ endpoint: sqs.url, region: sqs.region },
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  })
  const gateway = gateways.find(({ tenant }) => tenant === 'granix')!
  const topic = (machine: string) => `factory/granix/${gateway.province}/${gateway.plant}/${machine}/telemetry`
  const telemetry = (more: object) =>
    JSON.stringify({ schemaVersion: 1, timestamp: now, seq: now, values: { temperature: 71.2 }, ...more })
  const refused: [machine: string, payload: string | Buffer][] = [
    ...Array.from({ length: 4 }, (_, n): [string, string] => [
      'horno-1',
      telemetry({ timestamp: now + 3_600_000, seq: now + n }),
    ]),
    ['bomba-2', '{"schemaVersion":1,"timestamp":1795665857'],
    ['bomba-2', Buffer.from([0x01, 0x03, 0x08, 0xff, 0xfe, 0x42, 0x8e, 0x66, 0x66, 0x00, 0x10, 0x9a])],
    ['compresor-1', telemetry({ values: { pressure: 'NaN'.repeat(200) } })],
  ]
  const entries = refused.map(([machine, payload], index) => {
    const envelope: QueueEnvelope = {
      payload: Buffer.from(payload).toString('base64'),
      ...{ topic: topic(machine), clientId: gateway.thingName, receivedAt: now, traceId: `screenshot-${index}` },
    }
    return { Id: String(index), MessageBody: JSON.stringify(envelope) }
  })
  await client.send(new SendMessageBatchCommand({ QueueUrl: sqs.queues['telemetry'], Entries: entries }))
  client.destroy()
}
