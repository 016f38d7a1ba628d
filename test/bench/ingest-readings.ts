/** Made readings of ten tags, one of each machine in turn, and the SQS event that holds them. */
import { randomUUID } from 'node:crypto'
import type { SQSEvent } from 'aws-lambda'

export const MACHINES = 1000
export const TENANT = 'bench'
export const PLANT = 'plant'
export const THING = 'bench-gateway'

export interface BenchReading {
  machine: string
  timestamp: number
  seq: number
  values: Record<string, number>
}

/** A batch: reading number `round` of each machine from `first` on, `seqStep` apart (2 leaves a hole behind each). */
export interface Step {
  round: number
  first: number
  size: number
  firstSeq: number
  seqStep: number
  /** Epoch ms of round 0. */
  since: number
  /** Of the ten tags, those that only each tenth reading has, as where a machine's tags have two intervals. */
  slowTags?: number
}

export function readingsOf({ round, first, size, firstSeq, seqStep, since, slowTags = 0 }: Step): BenchReading[] {
  return Array.from({ length: size }, (_, index) => {
    const place = first + index
    const turn = round + Math.floor(place / MACHINES)
    const tags = (turn + place) % 10 === 0 ? 10 : 10 - slowTags
    return {
      machine: `machine-${place % MACHINES}`,
      timestamp: since + turn * 100,
      seq: firstSeq + turn * seqStep,
      values: Object.fromEntries(Array.from({ length: tags }, (_tag, tag) => [`tag-${tag}`, turn + tag + place / 8])),
    }
  })
}

export const sqsEvent = (readings: BenchReading[]): SQSEvent => ({
  Records: readings.map(({ machine, ...reading }) => ({
    messageId: randomUUID(),
    receiptHandle: 'bench',
    body: JSON.stringify({
      payload: Buffer.from(JSON.stringify({ schemaVersion: 1, ...reading })).toString('base64'),
      topic: `factory/${TENANT}/ba/${PLANT}/${machine}/telemetry`,
      clientId: THING,
      receivedAt: Date.now(),
      traceId: 'bench',
    }),
    attributes: {
      ApproximateReceiveCount: '1',
      SentTimestamp: '0',
      SenderId: 'bench',
      ApproximateFirstReceiveTimestamp: '0',
    },
    messageAttributes: {},
    md5OfBody: '',
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:telemetry',
    awsRegion: 'us-east-1',
  })),
})
