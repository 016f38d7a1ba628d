import type { IngestErrorCode } from '../../schemas/error-codes.ts'
import { telemetry } from '../helpers/envelopes.ts'
import type { Fleet, FleetMachine } from './fleet.ts'

const DAY_MS = 86_400_000

/** Where a poison message seems to come from, and what tells it from every other one. */
interface Origin {
  fleet: Fleet
  machine: FleetMachine
  /** Broker's clock, epoch ms. */
  receivedAt: number
  traceId: string
}

/** A message that must be refused for its own sake, by each code but `seq_conflict`, which needs another message. */
export const POISON: { code: IngestErrorCode; body: (origin: Origin) => string }[] = [
  { code: 'invalid_envelope', body: ({ traceId }) => `no envelope ${traceId}` },
  { code: 'invalid_envelope', body: ({ traceId }) => JSON.stringify({ topic: 'factory/x', traceId }) },
  { code: 'invalid_envelope', body: (origin) => body(origin).replace('"payload":"', '"payload":"%') },
  { code: 'invalid_json', body: (origin) => body(origin, {}, { payload: 'temperature=71' }) },
  { code: 'invalid_json', body: (origin) => body(origin, {}, { payload: new Uint8Array([0xff, 0xfe]) }) },
  { code: 'unsupported_schema_version', body: (origin) => body(origin, { schemaVersion: 2 }) },
  { code: 'invalid_payload', body: (origin) => body(origin, { seq: -1 }) },
  { code: 'invalid_payload', body: (origin) => body(origin, { values: { state: 'A\u0000B' } }) },
  { code: 'invalid_payload', body: (origin) => body(origin, { values: {} }) },
  { code: 'invalid_topic', body: (origin) => body(origin, {}, { topic: 'factory/\u0001/telemetry' }) },
  { code: 'unknown_tenant', body: (origin) => body(of(origin, { tenant: 'nobody' })) },
  { code: 'unknown_plant', body: (origin) => body(of(origin, { plant: 'nowhere' })) },
  { code: 'unknown_gateway', body: (origin) => body(origin, {}, { clientId: 'stranger' }) },
  {
    code: 'client_topic_mismatch',
    body: (origin) => body(origin, {}, { clientId: origin.fleet.fullPlant.thingName }),
  },
  { code: 'timestamp_too_old', body: (origin) => body(origin, { timestamp: origin.receivedAt - 40 * DAY_MS }) },
  { code: 'timestamp_in_future', body: (origin) => body(origin, { timestamp: origin.receivedAt + 7 * DAY_MS }) },
  { code: 'machine_quota_exceeded', body: (origin) => body(inFullPlant(origin, 'one-too-many')) },
  { code: 'machine_retired', body: (origin) => body(inFullPlant(origin, 'retired')) },
]

type Telemetry = Parameters<typeof telemetry>

function body({ machine, receivedAt, traceId }: Origin, reading: Telemetry[2] = {}, around: Telemetry[3] = {}): string {
  const { plant, slug, gateway: clientId } = machine
  const good = { timestamp: receivedAt, seq: 1, ...reading }
  return telemetry(plant, slug, good, { clientId, receivedAt, traceId, ...around })
}

const of = (origin: Origin, names: Partial<FleetMachine['plant']>): Origin => ({
  ...origin,
  machine: { ...origin.machine, plant: { ...origin.machine.plant, ...names } },
})

const inFullPlant = (origin: Origin, slug: string): Origin => {
  const { fullPlant: plant } = origin.fleet
  return { ...origin, machine: { ...origin.machine, plant, gateway: plant.thingName, slug } }
}
