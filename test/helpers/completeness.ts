import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { readCompleteness } from '../../lambdas/data/completeness.ts'
import type { Database } from '../../lambdas/data/database.ts'
import { declareRanges } from '../../lambdas/data/declare-ranges.ts'
import { readMissingRanges } from '../../lambdas/data/missing-ranges.ts'
import { DAY_MS, oldestHotDay } from '../../lambdas/data/partitions.ts'
import { storeTelemetry } from '../../lambdas/data/store-telemetry.ts'
import { inTenant } from '../../lambdas/data/tenant-transaction.ts'
import { openPostgres } from '../../lambdas/runtime/postgres.ts'
import type { MachineLedger } from '../../schemas/status.ts'
import { createPlant, type TestPlant } from './plant.ts'
import { createDatabase } from './postgres.ts'

export interface TimeRange {
  from?: number
  to?: number
  now?: number
}

export interface By {
  gatewayId?: string
  /** Broker's clock; `now` unless said. */
  receivedAt?: number
  /** Gateway's clock; as the broker's unless said. */
  timestamp?: number
}

/**
 * A database of the test file's own, in which machines are read, declared and stored as by the functions, each in its
 * own role. `now` is when heartbeats are received; completeness is read a day later, when nothing is underway any more.
 */
export async function openCompleteness(now: number) {
  const database = await createDatabase()
  const open = (role: 'iot_ingest' | 'iot_api' | 'iot_quarantine') => {
    const { PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD } = database.environment(role)
    const settings = { PGHOST: PGHOST!, PGDATABASE: PGDATABASE!, PGUSER: PGUSER!, PGPASSWORD, AWS_REGION: '' }
    return openPostgres<Database>({ ...settings, PGPORT: Number(PGPORT) })
  }
  const ingest = open('iot_ingest')
  const api = open('iot_api')
  const quarantine = open('iot_quarantine')

  /** The machine pump-1 of a plant of its own. */
  const newMachine = async (tenant: string) => machineAt(await createPlant(database.master, tenant))

  async function machineAt(plant: TestPlant) {
    const machineId = uuid()
    await database.master.query(
      `insert into machines (id, tenant_id, plant_id, slug, created_at, updated_at) values ($1, $2, $3, 'pump-1', 0, 0)`,
      [machineId, plant.tenantId, plant.plantId],
    )
    const { tenantId, plantId } = plant
    return {
      ...plant,
      machineId,
      /** Stores readings of these seqs; the time of each is its seq unless it is said. */
      store: (seqs: number[], timeOf = (seq: number) => seq) =>
        storeTelemetry(
          ingest.pool,
          seqs.map((seq) => ({
            tenantId,
            machineId,
            seq,
            timestamp: timeOf(seq),
            receivedAt: now,
            values: { a: seq },
          })),
          oldestHotDay(now, 30),
        ),
      declare: (
        ledger: MachineLedger,
        { gatewayId = plant.gatewayId, receivedAt = now, timestamp = receivedAt }: By = {},
      ) => declareRanges(ingest.db, [{ plantId, gatewayId, receivedAt, timestamp, ledger: { 'pump-1': ledger } }]),
      async read({ from, to, now: at = now + DAY_MS }: TimeRange = {}) {
        const asked = { tenantId, machines: sql<boolean>`machines.id = ${machineId}`, from, to, now: at }
        return inTenant(api.db, tenantId, async (transaction) => ({
          ...(await readCompleteness(transaction, asked, 1)).items[0]!,
          ...(await readMissingRanges(transaction, asked)),
        }))
      },
    }
  }

  return {
    database,
    ingest,
    quarantine,
    newMachine,
    machineAt,
    async close() {
      await ingest.close()
      await api.close()
      await quarantine.close()
      await database.close()
    },
  }
}
