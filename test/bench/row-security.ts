/**
 * What row security costs: five queries of the API as it asks them, and the same ones by a role that row security does not bind, in
 * transactions that set no tenant. Both take turns in random order, so that whatever else the machine does meets both alike.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Transaction } from 'kysely'
import pg from 'pg'
import type { Database } from '../../lambdas/data/database.ts'
import { listGateways } from '../../lambdas/data/live-gateways.ts'
import { findMachine, listMachines } from '../../lambdas/data/live-machines.ts'
import { listEvents } from '../../lambdas/data/machine-events.ts'
import { migrateDatabase } from '../../lambdas/data/migrate-database.ts'
import { listPlants } from '../../lambdas/data/plants.ts'
import { inTenant } from '../../lambdas/data/tenant-transaction.ts'
import { openPostgres, openPostgresAsMaster } from '../../lambdas/runtime/postgres.ts'
import { removePostgresData } from '../../local/postgres-home.ts'
import { startPostgres } from '../../local/postgres.ts'
import { createGateway, createMachines, createTenant } from '../helpers/tenants.ts'
import { type Figure, median } from './figure.ts'

const TENANTS = 5
const MACHINES = 200
const GATEWAYS = 20
const EVENTS_EACH = 600
const WARM_UP_ROUNDS = 40
const ROUNDS = 1000
const PASSWORD = 'bench'

type Question = (db: Transaction<Database>) => Promise<unknown>

export async function benchRowSecurity(): Promise<Figure> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-row-security-'))
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres') })
  const { host, port, user, password } = postgres
  const master = new pg.Pool({ connectionString: postgres.url, max: 2 })
  const as = (PGUSER: string) =>
    openPostgres<Database>({
      ...{ PGHOST: host, PGPORT: port, PGDATABASE: 'postgres', PGUSER, PGPASSWORD: PASSWORD },
      AWS_REGION: 'us-east-1',
    })
  const [bound, unbound] = [as('iot_api'), as('bench_unbound')]
  try {
    const migrating = openPostgresAsMaster({ host, port, username: user, password, dbname: 'postgres' }, false)
    await migrateDatabase(migrating.db, { hotRetentionDays: 30, localRolePassword: PASSWORD })
    await migrating.close()
    await master.query(`create role bench_unbound login bypassrls password '${PASSWORD}' in role iot_api inherit`)
    const { tenantId, questions } = await fill(master)

    const ways = {
      bound: (question: Question) => inTenant(bound.db, tenantId, question),
      unbound: (question: Question) => unbound.db.transaction().execute(question),
    }
    const ratios: number[] = []
    const sums = { bound: [] as number[], unbound: [] as number[] }
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
      const took = { bound: 0, unbound: 0 }
      for (const question of questions) {
        const order = Math.random() < 0.5 ? (['bound', 'unbound'] as const) : (['unbound', 'bound'] as const)
        for (const way of order) {
          const begin = performance.now()
          await ways[way](question)
          took[way] += performance.now() - begin
        }
      }
      if (round < 0) continue
      ratios.push(took.bound / took.unbound)
      for (const way of ['bound', 'unbound'] as const) sums[way].push(took[way])
    }
    const cost = median(ratios) - 1
    return {
      what: `cost of row security, ${questions.length} queries of the API as it asks them and without any of it, side by side`,
      measured: `${(cost * 100).toFixed(1)} %, median of ${ROUNDS} pairs (${median(sums.bound).toFixed(2)} against ${median(sums.unbound).toFixed(2)} ms)`,
      toReach: 'at most 10 %',
      reached: cost <= 0.1,
    }
  } finally {
    await Promise.all([bound.close(), unbound.close(), master.end()])
    await postgres.stop()
    removePostgresData(join(folder, 'postgres'))
    rmSync(folder, { recursive: true, force: true })
  }
}

async function fill(master: pg.Pool): Promise<{ tenantId: string; questions: Question[] }> {
  const values = Object.fromEntries(Array.from({ length: 10 }, (_, tag) => [`tag-${tag}`, tag / 8]))
  const now = Date.now()
  const places = []
  for (let n = 0; n < TENANTS; n++) {
    const { tenantId, slug, plants } = await createTenant(master, ['north', 'south'])
    const { plantId } = plants[0]!
    for (let gateway = 1; gateway <= GATEWAYS; gateway++) {
      await createGateway(master, tenantId, plantId, `${slug}-gateway-${gateway}`)
    }
    const machineIds = await createMachines(master, tenantId, plantId, MACHINES, values)
    await master.query(
      `insert into telemetry_events (tenant_id, machine_id, ts, seq, received_at, values)
       select $1, m, $3::int8 - n * 1000, $3::int8 - n * 1000, $3::int8 - n * 1000, $4
       from unnest($2::uuid[]) m, generate_series(1, ${EVENTS_EACH}) n`,
      [tenantId, machineIds, now, JSON.stringify(values)],
    )
    places.push({ tenantId, plantId, machineId: machineIds[7]! })
  }
  await master.query('analyze')
  const { tenantId, plantId, machineId } = places[2]!
  const page = { limit: 50, after: undefined }
  return {
    tenantId,
    questions: [
      (db) => listPlants(db, tenantId, 'all', page),
      (db) => listMachines(db, tenantId, plantId, page),
      (db) => findMachine(db, tenantId, 'all', machineId),
      (db) => listGateways(db, tenantId, 'all', undefined, page),
      (db) => listEvents(db, { tenantId, machineId, from: 0, to: now, limit: 50, before: undefined }),
    ],
  }
}
