/**
 * A day of a million messages of ten tags into the archive, from Postgres to files that have been read back, by a process of
 * its own; then a machine's day from there with DuckDB. The values are those of a plant: noisy 32-bit floats, scaled
 * integers, a counter, booleans and a state; times and delays jitter.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type pg from 'pg'
import type { Database } from '../../lambdas/data/database.ts'
import { migrateDatabase } from '../../lambdas/data/migrate-database.ts'
import { dateOfDay, DAY_MS } from '../../lambdas/data/partitions.ts'
import { openPostgresAsMaster } from '../../lambdas/runtime/postgres.ts'
import { removePostgresData } from '../../local/postgres-home.ts'
import { startPostgres } from '../../local/postgres.ts'
import { startObjects } from '../helpers/archive.ts'
import { createMachines, createTenant } from '../helpers/tenants.ts'
import { type Figure, median } from './figure.ts'

const MESSAGES = Number(process.env['BENCH_MESSAGES'] ?? 1_000_000)
const MACHINES = 100
const TAGS = 10
const QUESTIONS = 15
const ROLE_PASSWORD = 'bench'

export async function benchArchive(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-archive-'))
  const dataDir = join(folder, 'postgres')
  const postgres = await startPostgres({ dataDir })
  const store = await startObjects()
  const { host, port, user, password } = postgres
  const master = openPostgresAsMaster<Database>({ host, port, username: user, password, dbname: 'postgres' }, false)
  try {
    await migrateDatabase(master.db, { hotRetentionDays: 30, localRolePassword: ROLE_PASSWORD })
    const tenant = await createTenant(master.pool, ['plant'])
    const machines = await createMachines(master.pool, tenant.tenantId, tenant.plants[0]!.plantId, MACHINES)
    const day = Math.floor(Date.now() / DAY_MS) - 1
    await writeDay(master.pool, tenant.tenantId, machines, day)

    const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, 'archive-run.ts')], {
      env: {
        ...{
          PGHOST: host,
          PGPORT: String(port),
          PGDATABASE: 'postgres',
          PGUSER: 'iot_archive',
          PGPASSWORD: ROLE_PASSWORD,
        },
        ...{ S3_URL: store.url, FOLDER: folder },
        ...{ POWERTOOLS_SERVICE_NAME: 'archive', POWERTOOLS_METRICS_NAMESPACE: 'bench', POWERTOOLS_LOG_LEVEL: 'ERROR' },
      },
    })
    const run = JSON.parse(stdout) as { seconds: number; megabytes: number }
    const { rows } = await master.pool.query<{ bytes: number; messages: number; samples: number }>(
      'select sum(bytes)::int8 as bytes, sum(messages)::int8 as messages, sum(samples)::int8 as samples from archive_files',
    )
    const { bytes, messages, samples } = rows[0]!
    if (messages !== MESSAGES) throw new Error(`${messages} of ${MESSAGES} messages are in the archive`)

    const glob = await store.download()
    const times: number[] = []
    for (let question = 0; question < QUESTIONS; question += 1) {
      const machine = `machine-${String(1 + ((question * 37) % MACHINES)).padStart(4, '0')}`
      const started = performance.now()
      const found =
        await store.ask(`select tag, ts, value, text, quality from read_parquet('${glob}', hive_partitioning = true)
        where tenant = '${tenant.slug}' and date = '${dateOfDay(day)}' and machine = '${machine}' order by tag, ts`)
      times.push(performance.now() - started)
      if (found !== (MESSAGES / MACHINES) * TAGS) throw new Error(`${found} samples of ${machine}`)
    }
    const asked = median(times)
    const perSample = bytes / samples
    return [
      {
        what: `archive of ${MESSAGES.toLocaleString('en')} messages of ${TAGS} tags, written, sent and read back`,
        measured: `${run.seconds.toFixed(1)} s`,
        toReach: 'at most 60 s',
        reached: run.seconds <= 60,
      },
      {
        what: 'memory of the process, at its most',
        measured: `${run.megabytes.toFixed(0)} MB`,
        toReach: 'at most 512 MB',
        reached: run.megabytes <= 512,
      },
      {
        what: 'size of a sample',
        measured: `${perSample.toFixed(2)} bytes (${(bytes / 2 ** 20).toFixed(1)} MB)`,
        toReach: 'at most 3 bytes',
        reached: perSample <= 3,
      },
      {
        what: `one day of one machine with DuckDB, all ${((MESSAGES / MACHINES) * TAGS).toLocaleString('en')} samples`,
        measured: `${asked.toFixed(0)} ms (the slowest of ${QUESTIONS}: ${Math.max(...times).toFixed(0)})`,
        toReach: 'at most 300 ms',
        reached: asked <= 300,
      },
    ]
  } finally {
    await master.close()
    await Promise.all([postgres.stop(), store.stop()])
    removePostgresData(dataDir)
    rmSync(folder, { recursive: true, force: true })
  }
}

async function writeDay(pool: pg.Pool, tenantId: string, machines: string[], day: number): Promise<void> {
  const everyMs = Math.floor((DAY_MS * MACHINES) / MESSAGES)
  // By time, as ingest writes: a machine's messages stand between those of all others.
  await pool.query(
    `insert into telemetry_events (tenant_id, machine_id, ts, seq, received_at, values)
     select $1, m.id, s.ts, 1736350000000 + n, s.ts + 40 + (random() * random() * 300)::int, jsonb_build_object(
       'temperature', (24 + 44 * s.heat + random() * 0.2)::real, 'current', (42 * s.heat + random() * 0.4)::real,
       'flow', (85 * s.heat + random())::real, 'pressure', round((6.5 * s.heat + random() * 0.06)::numeric, 2),
       'level', round((50 + 30 * sin(n / 300.0))::numeric, 1), 'speed', round(1450 + random() * 10),
       'pieces', 10000 * m.place + n / 3, 'running', n % 500 > 20, 'overload', s.heat > 0.95,
       'state', case when n % 500 > 20 then 'RUN' else 'STOP' end)
     from generate_series(0, $3::int8 - 1) n, unnest($2::uuid[]) with ordinality m(id, place),
       lateral (select $4::int8 + n * $5 + (random() * 8)::int as ts,
         0.5 + 0.4 * sin(n / 200.0 + m.place) + (random() - 0.5) * 0.1 as heat) s`,
    [tenantId, machines, MESSAGES / MACHINES, day * DAY_MS, everyMs],
  )
  await pool.query('insert into archive_queue (tenant_id, machine_id, day) select $1, unnest($2::uuid[]), $3', [
    ...[tenantId, machines, day],
  ])
  await pool.query('vacuum analyze telemetry_events')
}
