/**
 * The HTTP API of the local system at 50 requests a second, a tenth of them changes, by four users: what a caller waits, authorizer
 * cached, row security on. And what row security costs: the same queries by the API's role and by one that it does not bind.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import pg from 'pg'
import type { Database } from '../../lambdas/data/database.ts'
import { listGateways } from '../../lambdas/data/live-gateways.ts'
import { findMachine, listMachines } from '../../lambdas/data/live-machines.ts'
import { listEvents } from '../../lambdas/data/machine-events.ts'
import { listPlants } from '../../lambdas/data/plants.ts'
import { inTenant } from '../../lambdas/data/tenant-transaction.ts'
import { openPostgres } from '../../lambdas/runtime/postgres.ts'
import { startLocalCloud } from '../../local/cloud.ts'
import { signIn } from '../helpers/api-client.ts'
import { createMachines } from '../helpers/tenants.ts'
import { type Figure, median, percentile } from './figure.ts'

const MACHINES = 200
const EVENTS_EACH = 600
const PER_SECOND = 50
const WARM_UP_SEC = 5
const MEASURED_SEC = 30
const ROUNDS = 400

export async function benchApi(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-api-'))
  const cloud = await startLocalCloud({ rootDir: join(folder, 'local'), demo: false, anyPorts: true })
  const master = new pg.Pool({ connectionString: cloud.endpoints.postgres.url, max: 2 })
  try {
    const place = await fill(master)
    return [await underLoad(cloud.endpoints, place), await costOfRowSecurity(master, cloud.endpoints, place)]
  } finally {
    await master.end()
    await cloud.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Place {
  tenantId: string
  plantId: string
  machineIds: string[]
}

async function fill(master: pg.Pool): Promise<Place> {
  const { rows } = await master.query<{ tenantId: string; plantId: string }>(
    `select t.id as "tenantId", p.id as "plantId" from plants p join tenants t on t.id = p.tenant_id
     where t.slug = 'granix' order by p.slug limit 1`,
  )
  const { tenantId, plantId } = rows[0]!
  const values = Object.fromEntries(Array.from({ length: 10 }, (_, tag) => [`tag-${tag}`, tag / 8]))
  const machineIds = await createMachines(master, tenantId, plantId, MACHINES, values)
  await master.query(
    `insert into telemetry_events (tenant_id, machine_id, ts, seq, received_at, values)
     select $1, m, $3::int8 - n * 1000, $3::int8 - n * 1000, $3::int8 - n * 1000, $4
     from unnest($2::uuid[]) m, generate_series(1, ${EVENTS_EACH}) n`,
    [tenantId, machineIds, Date.now(), JSON.stringify(values)],
  )
  await master.query('analyze')
  return { tenantId, plantId, machineIds }
}

async function underLoad(endpoints: Parameters<typeof signIn>[0], { plantId, machineIds }: Place): Promise<Figure> {
  const users = endpoints.users.filter(({ tenant, role }) => tenant === 'granix' && role !== 'viewer')
  const clients = await Promise.all(users.map(({ email }) => signIn(endpoints, email)))
  const admins = await Promise.all(
    users.filter(({ role }) => role === 'admin').map(({ email }) => signIn(endpoints, email)),
  )
  const now = Date.now()
  const any = <T>(all: T[]): T => all[Math.floor(Math.random() * all.length)]!
  const reads = [
    () => '/me',
    () => '/plants',
    () => `/plants/${plantId}/machines?limit=50`,
    () => `/machines/${any(machineIds)}`,
    () => `/machines/${any(machineIds)}/tags`,
    () => `/machines/${any(machineIds)}/events?limit=50`,
    () => `/machines/${any(machineIds)}/history?tag=tag-1&from=${now - 600_000}&to=${now}&buckets=300`,
    () => `/plants/${plantId}/completeness`,
    () => '/gateways',
  ]
  const delays: number[] = []
  let failed = 0
  const send = async (index: number, measured: boolean) => {
    const begin = performance.now()
    const answer =
      index % 10 === 0
        ? await any(admins).request('PATCH', `/machines/${any(machineIds)}`, { name: `Name ${index}` })
        : await any(clients).request('GET', reads[index % reads.length]!())
    await answer.arrayBuffer()
    if (!measured) return
    delays.push(performance.now() - begin)
    if (!answer.ok) failed++
  }
  const underway: Promise<void>[] = []
  const total = (WARM_UP_SEC + MEASURED_SEC) * PER_SECOND
  const started = performance.now()
  for (let index = 0; index < total; index++) {
    // By the clock and not by the answers: who waits does not ask less.
    await wait(Math.max(0, started + (index * 1000) / PER_SECOND - performance.now()))
    underway.push(send(index, index >= WARM_UP_SEC * PER_SECOND))
  }
  await Promise.all(underway)
  const p95 = percentile(delays, 95)
  return {
    what: `API at ${PER_SECOND} requests/s mixed, a tenth of them changes, ${MACHINES} machines, authorizer cached, row security on`,
    measured: `p95 ${p95.toFixed(0)} ms, median ${median(delays).toFixed(0)} ms of ${delays.length} requests, ${failed} refused or failed`,
    toReach: 'p95 at most 40 ms, none failed',
    reached: p95 <= 40 && failed === 0,
  }
}

/** Both roles take turns, query by query, so that whatever else the machine does meets both alike. */
async function costOfRowSecurity(
  master: pg.Pool,
  endpoints: { postgres: { url: string } },
  { tenantId, plantId, machineIds }: Place,
): Promise<Figure> {
  await master.query(`create role bench_unbound login bypassrls password 'bench' in role iot_api inherit`)
  await master.query(`create role bench_bound login password 'bench' in role iot_api inherit`)
  const { hostname, port, pathname } = new URL(endpoints.postgres.url)
  const as = (user: string) =>
    openPostgres<Database>({
      ...{ PGHOST: hostname, PGPORT: Number(port), PGDATABASE: pathname.slice(1), PGUSER: user },
      ...{ PGPASSWORD: 'bench', AWS_REGION: 'us-east-1' },
    })
  const [bound, unbound] = [as('bench_bound'), as('bench_unbound')]
  const page = { limit: 50, after: undefined }
  const now = Date.now()
  const questions: ((db: Kysely<Database>) => Promise<unknown>)[] = [
    (db) => inTenant(db, tenantId, (one) => listPlants(one, tenantId, 'all', page)),
    (db) => inTenant(db, tenantId, (one) => listMachines(one, tenantId, plantId, page)),
    (db) => inTenant(db, tenantId, (one) => findMachine(one, tenantId, 'all', machineIds[7]!)),
    (db) => inTenant(db, tenantId, (one) => listGateways(one, tenantId, 'all', undefined, page)),
    (db) =>
      inTenant(db, tenantId, (one) =>
        listEvents(one, { ...{ tenantId, machineId: machineIds[7]!, from: 0, to: now }, limit: 50, before: undefined }),
      ),
  ]
  const timed = async (db: Kysely<Database>, ask: (typeof questions)[number]) => {
    const begin = performance.now()
    await ask(db)
    return performance.now() - begin
  }
  const times = { bound: questions.map((): number[] => []), unbound: questions.map((): number[] => []) }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, ask] of questions.entries()) {
      const first = round % 2 === 0
      const one = await timed(first ? bound.db : unbound.db, ask)
      const other = await timed(first ? unbound.db : bound.db, ask)
      if (round < ROUNDS / 10) continue
      times.bound[index]!.push(first ? one : other)
      times.unbound[index]!.push(first ? other : one)
    }
  }
  await Promise.all([bound.close(), unbound.close()])
  const sum = (all: number[][]) => all.reduce((total, one) => total + median(one), 0)
  const ratio = sum(times.bound) / sum(times.unbound) - 1
  return {
    what: 'cost of row security, five queries of the API by its role and by one that it does not bind, side by side',
    measured: `${(ratio * 100).toFixed(1)} % (${sum(times.bound).toFixed(2)} against ${sum(times.unbound).toFixed(2)} ms, sums of medians)`,
    toReach: 'at most 10 %',
    reached: ratio <= 0.1,
  }
}
