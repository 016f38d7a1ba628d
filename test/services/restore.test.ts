/**
 * A backup that is taken while readings are stored, the loss of everything, and the restore of it, as RDS does it (a copy of the disk, and the log
 * from then on): nothing that was stored is missing, nothing is taken twice, and the schema is known.
 */
import { execFile } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import pg from 'pg'
import { v7 as uuid } from 'uuid'
import { expect, it, vi } from 'vitest'
import { readCompleteness } from '../../lambdas/data/completeness.ts'
import type { Database } from '../../lambdas/data/database.ts'
import { declareRanges } from '../../lambdas/data/declare-ranges.ts'
import { migrateDatabase } from '../../lambdas/data/migrate-database.ts'
import { readMissingRanges } from '../../lambdas/data/missing-ranges.ts'
import { storeTelemetry } from '../../lambdas/data/store-telemetry.ts'
import { inTenant } from '../../lambdas/data/tenant-transaction.ts'
import { openPostgres, openPostgresAsMaster } from '../../lambdas/runtime/postgres.ts'
import { postgresDataDir, removePostgresData } from '../../local/postgres-home.ts'
import { type Postgres, startPostgres } from '../../local/postgres.ts'
import { createPlant } from '../helpers/plant.ts'
import { ROLE_PASSWORD } from '../helpers/template-database.ts'

const DATABASE = 'telemetry'
const now = Date.now()
const run = promisify(execFile)

/** The database of a server, and what is asked of it. */
function open(server: Postgres) {
  const { host, port, user, password } = server
  const pool = new pg.Pool({ host, port, user, password, database: DATABASE, max: 3 })
  const owner = openPostgresAsMaster<Database>({ host, port, username: user, password, dbname: DATABASE }, false)
  const as = (PGUSER: string) =>
    openPostgres<Database>({
      ...{ PGHOST: host, PGPORT: port, PGDATABASE: DATABASE, PGUSER, PGPASSWORD: ROLE_PASSWORD, AWS_REGION: '' },
    })
  const [api, ingest] = [as('iot_api'), as('iot_ingest')]
  return {
    ...{ pool, api: api.db, ingest },
    migrate: () => migrateDatabase(owner.db, { hotRetentionDays: 30, localRolePassword: ROLE_PASSWORD }),
    /** Rows of every table, as one digest each. */
    async digests(): Promise<Record<string, string>> {
      const { rows } = await pool.query<{ name: string }>(
        `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition`,
      )
      const found: [string, string][] = []
      for (const { name } of rows) {
        const text = `select count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' order by t::text)), '') as digest from "${name}" t`
        found.push([name, (await pool.query<{ digest: string }>(text)).rows[0]!.digest])
      }
      return Object.fromEntries(found)
    },
    /** Until the server has let go of the last connection: one that it ends itself would be an error of nobody's. */
    async close() {
      await Promise.all([pool, owner.pool, api.pool, ingest.pool].map((one) => one.end()))
      const admin = new pg.Client({ connectionString: server.url })
      await admin.connect()
      const open = () =>
        admin.query('select usename, query, state from pg_stat_activity where datname = $1', [DATABASE])
      await vi.waitFor(async () => expect((await open()).rows).toEqual([]), 10_000)
      await admin.end()
    },
  }
}

it('a restored database has every reading, and goes on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'iot-restore-'))
  const [lost, restored] = [join(folder, 'lost'), join(folder, 'restored')]
  let server = await startPostgres({ dataDir: lost, fsync: false })
  try {
    const admin = new pg.Client({ connectionString: server.url })
    await admin.connect()
    await admin.query(`create database ${DATABASE}`)
    let opened = open(server)
    await opened.migrate()
    const { tenantId, plantId, gatewayId } = await createPlant(opened.pool, 'granix')
    const machineId = uuid()
    await opened.pool.query(
      `insert into machines (id, tenant_id, plant_id, slug, created_at, updated_at) values ($1, $2, $3, 'pump-1', 0, 0)`,
      [machineId, tenantId, plantId],
    )
    const readings = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, n) => from + n)
        .filter((seq) => seq % 97 > 0)
        .map((seq) => {
          const timestamp = now - 3_600_000 + seq * 1000
          return { tenantId, machineId, seq, timestamp, receivedAt: timestamp, values: { a: seq } }
        })
    const store = (at: typeof opened, from: number, to: number) => storeTelemetry(at.ingest.pool, readings(from, to), 0)
    const completeness = (at: typeof opened) => {
      const asked = {
        tenantId,
        machines: sql<boolean>`machines.id = ${machineId}`,
        from: undefined,
        to: undefined,
        now: now + 1e8,
      }
      return inTenant(at.api, tenantId, async (transaction) => ({
        ...(await readCompleteness(transaction, asked, 1)).items[0]!,
        ...(await readMissingRanges(transaction, asked)),
      }))
    }
    await store(opened, 1, 1500)
    const ledger = { first: 1, last: 3000, dropped: [[20, 25]] as [number, number][] }
    await declareRanges(opened.ingest.db, [
      { plantId, gatewayId, receivedAt: now, timestamp: now, ledger: { 'pump-1': ledger } },
    ])

    await admin.query(`select pg_backup_start('nightly', true)`)
    const copying = run('cp', ['-a', postgresDataDir(lost), postgresDataDir(restored)])
    await store(opened, 1501, 2500)
    await copying
    await store(opened, 2501, 3000)
    const { rows } = await admin.query<{ labelfile: string }>('select labelfile from pg_backup_stop()')
    const [copy, original] = [postgresDataDir(restored), postgresDataDir(lost)]
    await run('rm', ['-rf', `${copy}/pg_wal`, `${copy}/postmaster.pid`, `${copy}/postmaster.opts`])
    await run('cp', ['-a', `${original}/pg_wal`, `${copy}/pg_wal`])
    await run('cp', ['-a', `${original}.password`, `${copy}.password`])
    writeFileSync(`${copy}/backup_label`, rows[0]!.labelfile)
    const { uid, gid } = statSync(copy)
    chownSync(`${copy}/backup_label`, uid, gid)
    const [before, complete] = [await opened.digests(), await completeness(opened)]
    expect(complete).toMatchObject({ stored: 2970 })

    await opened.close()
    await admin.query(`drop database ${DATABASE}`)
    await admin.end()
    await server.stop()
    removePostgresData(lost)

    server = await startPostgres({ dataDir: restored, fsync: false })
    opened = open(server)
    try {
      expect(await opened.digests()).toEqual(before)
      expect(await completeness(opened)).toEqual(complete)
      expect((await opened.migrate()).applied).toEqual([])
      // What gateways and SQS still hold comes again; what was missing is taken.
      expect([...new Set((await store(opened, 1, 3000)).outcomes)]).toEqual(['duplicate'])
      const [missing] = readings(1, 1)
      const { outcomes } = await storeTelemetry(opened.ingest.pool, [{ ...missing!, seq: 97 }], 0)
      expect(outcomes).toEqual(['new'])
    } finally {
      await opened.close()
    }
  } finally {
    await server.stop()
    for (const dir of [lost, restored]) removePostgresData(dir)
    rmSync(folder, { recursive: true, force: true })
  }
})
