/**
 * How long the summary of a tenant with 1,000 machines takes, each at 1 message/s, and the completeness of one machine
 * after a year of it; and what it costs to remember the ranges of a heartbeat.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import { readCompleteness } from '../../lambdas/data/completeness.ts'
import type { Database } from '../../lambdas/data/database.ts'
import { declareRanges } from '../../lambdas/data/declare-ranges.ts'
import { migrateDatabase } from '../../lambdas/data/migrate-database.ts'
import { readMissingRanges } from '../../lambdas/data/missing-ranges.ts'
import { DAY_MS } from '../../lambdas/data/partitions.ts'
import { inTenant } from '../../lambdas/data/tenant-transaction.ts'
import { openPostgres, openPostgresAsMaster } from '../../lambdas/runtime/postgres.ts'
import { removePostgresData } from '../../local/postgres-home.ts'
import { startPostgres } from '../../local/postgres.ts'
import { percentile, type Figure } from './figure.ts'

const MACHINES = 1000
const DAYS = 12
const BLOCKS_OF_A_YEAR = 31_000
const RUNS = 20
const ROLE_PASSWORD = 'bench'
const TENANT = uuidv7()
const PLANT = uuidv7()
const now = Date.now()
const first = now - DAYS * DAY_MS

export async function benchCompleteness(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-completeness-'))
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres') })
  try {
    const { host, port, user, password } = postgres
    const master = openPostgresAsMaster({ host, port, username: user, password, dbname: 'postgres' }, false)
    await migrateDatabase(master.db, { hotRetentionDays: 30, localRolePassword: ROLE_PASSWORD })
    await master.close()
    const client = new pg.Client({ connectionString: postgres.url })
    await client.connect()
    const { gateways, yearly } = await seed(client)
    const open = (role: string) =>
      openPostgres<Database>({
        ...{ PGHOST: host, PGPORT: port, PGDATABASE: 'postgres', PGUSER: role, PGPASSWORD: ROLE_PASSWORD },
        AWS_REGION: 'us-east-1',
      })
    const [api, ingest] = [open('iot_api'), open('iot_ingest')]

    const asked = { tenantId: TENANT, machines: sql<boolean>`true`, from: undefined, to: undefined, now }
    const summary = (from?: number) =>
      timed(() => inTenant(api.db, TENANT, (transaction) => readCompleteness(transaction, { ...asked, from }, 50)))
    const machine = (id: string) =>
      timed(() =>
        inTenant(api.db, TENANT, async (transaction) => {
          const one = { ...asked, machines: sql<boolean>`machines.id = ${id}` }
          await readCompleteness(transaction, one, 1)
          return readMissingRanges(transaction, one)
        }),
      )
    const lastDay = await summary(now - DAY_MS)
    const notNoted = await machine(yearly)
    const allNotNoted = await summary()
    const started = performance.now()
    await client.query('select note_full_blocks()')
    const notedMs = performance.now() - started
    const notedAgain = await timed(() => client.query('select note_full_blocks()'))
    const noted = await machine(yearly)
    const allNoted = await summary()
    const lastDayNoted = await summary(now - DAY_MS)
    const ledgerOf = (last: number) =>
      Object.fromEntries(
        Array.from({ length: 50 }, (_, index) => [
          `machine-${index}`,
          { first, last, dropped: [], pending: [[last, last] as [number, number]] },
        ]),
      )
    let beat = now
    const heartbeat = await timed(() => {
      beat += 10_000
      const by = { plantId: PLANT, gatewayId: gateways[0]!, receivedAt: beat, timestamp: beat }
      return declareRanges(ingest.db, [{ ...by, ledger: ledgerOf(first + (beat - now) / 100 + DAYS * 86_400) }])
    })
    await Promise.all([api.close(), ingest.close(), client.end()])

    return [
      figure(
        `completeness of ${MACHINES} machines of the last day, no block noted yet (noted: ${show(lastDayNoted)})`,
        lastDay,
        1000,
      ),
      figure(`the same of all, ${DAYS} days, full blocks noted (before: ${show(allNotNoted)})`, allNoted, 1000),
      figure(`one machine with a year of blocks, all of it (before they are noted: ${show(notNoted)})`, noted, 200),
      figure(
        `a heartbeat of 50 machines, all of which have grown (noting of all full blocks: ${Math.round(notedMs)} ms, again: ${show(notedAgain)})`,
        heartbeat,
        50,
      ),
    ]
  } finally {
    await postgres.stop()
    removePostgresData(join(folder, 'postgres'))
    rmSync(folder, { recursive: true, force: true })
  }
}

const show = (times: number[]) => `${Math.round(percentile(times, 95))} ms`

function figure(what: string, times: number[], limitMs: number): Figure {
  const reached = percentile(times, 95) <= limitMs
  return {
    what,
    measured: `p95 ${show(times)}, median ${Math.round(percentile(times, 50))} ms`,
    toReach: `at most ${limitMs} ms`,
    reached,
  }
}

async function timed(work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let run = 0; run < RUNS; run += 1) {
    const started = performance.now()
    await work()
    times.push(performance.now() - started)
  }
  return times
}

/**
 * Full blocks but for one reading lost in a hundred of them, and repeats in two; on disk in the order in which blocks begin,
 * as ingest lays them down, those of the year between the others. An event every half an hour finds a range of time.
 */
async function seed(client: pg.Client): Promise<{ gateways: string[]; yearly: string }> {
  await client.query('insert into tenants (id, slug, name, created_at) values ($1, $2, $2, $3)', [TENANT, 'bench', now])
  await client.query(
    `insert into plants (id, tenant_id, province, slug, name, time_zone, created_at, updated_at)
     values ($1, $2, 'ba', 'plant', 'Bench', 'UTC', $3, $3)`,
    [PLANT, TENANT, now],
  )
  const gateways = Array.from({ length: 20 }, () => uuidv7())
  await client.query(
    `insert into gateways (id, tenant_id, plant_id, thing_name, created_at)
     select id, $2, $3, 'gateway-' || n, $4 from unnest($1::uuid[]) with ordinality as u(id, n)`,
    [gateways, TENANT, PLANT, now],
  )
  await client.query(
    `insert into machines (id, tenant_id, plant_id, slug, status, created_at, updated_at)
     select gen_random_uuid(), $1, $2, 'machine-' || n, 'active', $3, $3 from generate_series(0, ${MACHINES}) n`,
    [TENANT, PLANT, now],
  )
  const { rows } = await client.query<{ id: string }>(`select id from machines where slug = 'machine-${MACHINES}'`)
  const yearly = rows[0]!.id
  const seconds = DAYS * 86_400
  const blocks = `generate_series($3::int8 >> 10, ($3::int8 + case when m.id = $2 then ${BLOCKS_OF_A_YEAR * 1024} else ${seconds} end) >> 10)`
  await client.query(
    `insert into closed_blocks (tenant_id, machine_id, block, received, repeats)
     select $1, m.id, n, case when n % 100 = 0 then set_bit(~0::bit(1024), 7, 0) else ~0::bit(1024) end, (n % 50 = 0)::int
     from machines m, ${blocks} n
     order by case when m.id = $2 then $3::int8 + (n * 1024 - $3::int8) * ${seconds} / ${BLOCKS_OF_A_YEAR * 1024} else n * 1024 end, random()`,
    [TENANT, yearly, first],
  )
  await client.query(
    `insert into declared_ranges
     select $1, m.id, ($3::uuid[])[1 + abs(hashtext(m.slug)) % 20], $4::int8,
       $4::int8 + case when m.id = $2 then ${BLOCKS_OF_A_YEAR * 1024} else ${seconds} end, '{}', '{}', $4::int8, $5::int8, $5::int8,
       $4::int8 + case when m.id = $2 then ${BLOCKS_OF_A_YEAR * 1024} else ${seconds} end, '{}', $5::int8
     from machines m`,
    [TENANT, yearly, gateways, first, now],
  )
  await client.query(
    `insert into telemetry_events (tenant_id, machine_id, ts, seq, received_at, values)
     select $1, m.id, $2::int8 + n * 1000, $2::int8 + n, $2::int8 + n * 1000, '{}' from machines m, generate_series(0, ${seconds - 1}, 1800) n`,
    [TENANT, first],
  )
  await client.query('vacuum analyze')
  return { gateways, yearly }
}
