/** Starts real Postgres 16 and Redis once for all tests of `services`, and migrates the template of their databases. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { migrateDatabase } from '../../lambdas/data/migrate-database.ts'
import { openPostgresAsMaster } from '../../lambdas/runtime/postgres.ts'
import { removePostgresData } from '../../local/postgres-home.ts'
import { startPostgres } from '../../local/postgres.ts'
import { startRedis } from '../../local/redis.ts'
import { ROLE_PASSWORD, TEMPLATE_DATABASE } from './template-database.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    postgres: { host: string; port: number; user: string; password: string }
    redisUrl: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'iot-services-'))
  const [postgres, redis] = await Promise.all([
    startPostgres({ dataDir: join(folder, 'postgres'), fsync: false }),
    startRedis({ dataDir: join(folder, 'redis') }),
  ])
  const { host, port, user, password } = postgres
  const admin = new pg.Client({ connectionString: postgres.url })
  await admin.connect()
  await admin.query(`create database ${TEMPLATE_DATABASE}`)
  await admin.end()
  const template = openPostgresAsMaster({ host, port, username: user, password, dbname: TEMPLATE_DATABASE }, false)
  await migrateDatabase(template.db, { hotRetentionDays: 30, localRolePassword: ROLE_PASSWORD })
  // A template that somebody is connected to cannot be copied.
  await template.close()
  project.provide('postgres', { host, port, user, password })
  project.provide('redisUrl', redis.url)
  return async () => {
    await Promise.all([postgres.stop(), redis.stop()])
    removePostgresData(join(folder, 'postgres'))
    rmSync(folder, { recursive: true, force: true })
  }
}
