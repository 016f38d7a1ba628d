import type { QueueEnvelope } from '../../schemas/queues.ts'
import type { TelemetryV1 } from '../../schemas/telemetry.ts'
import { statusTopic, telemetryTopic } from '../../schemas/topics.ts'
import type { TestPlant } from './plant.ts'

type Address = Pick<TestPlant, 'tenant' | 'province' | 'plant' | 'thingName'>
type Overrides = Partial<Omit<QueueEnvelope, 'payload'>> & { payload?: Uint8Array | string }

/** Body of a queue message as the IoT rule writes it. `payload` is what was published, JSON or not. */
export function envelope(overrides: Overrides & Pick<QueueEnvelope, 'topic' | 'clientId'>): string {
  const { payload = '', ...rest } = overrides
  return JSON.stringify({
    payload: Buffer.from(payload).toString('base64'),
    receivedAt: Date.now(),
    traceId: 'trace-of-the-test',
    ...rest,
  })
}

/** A reading of `machine` in this plant, good unless overridden. */
export function telemetry(
  plant: Address,
  machine: string,
  reading: Partial<Record<keyof TelemetryV1, unknown>>,
  overrides: Overrides = {},
): string {
  const payload = { schemaVersion: 1, timestamp: Date.now(), seq: 1, values: { temperature: 71.2 }, ...reading }
  const { tenant, province, plant: slug } = plant
  const topic = telemetryTopic({ tenant, province, plant: slug, machine })
  return envelope({ topic, clientId: plant.thingName, payload: JSON.stringify(payload), ...overrides })
}

/** A status message of the plant's gateway. */
export function status(plant: Address, payload: unknown, overrides: Overrides = {}): string {
  const { tenant, province, plant: slug, thingName } = plant
  const topic = statusTopic({ tenant, province, plant: slug, thingName })
  return envelope({ topic, clientId: thingName, payload: JSON.stringify(payload), ...overrides })
}
