import * as v from 'valibot'

const Port = v.pipe(v.string(), v.regex(/^\d+$/), v.transform(Number))
const Url = v.pipe(v.string(), v.url())

/** Where the database is. */
const databaseEnvironment = { PGHOST: v.string(), PGPORT: v.optional(Port, '5432'), PGDATABASE: v.string() }

/** What openPostgresAsMaster needs. */
export const masterEnvironment = {
  ...databaseEnvironment,
  DATABASE_SECRET_ARN: v.string(),
  /** Only where the database has no IAM: local/ and tests. */
  LOCAL_ROLE_PASSWORD: v.optional(v.string()),
}

/** What openPostgres needs. Without PGPASSWORD (only local/ and tests set it) an IAM token is used, over TLS. */
export const postgresEnvironment = {
  ...databaseEnvironment,
  PGUSER: v.string(),
  PGPASSWORD: v.optional(v.string()),
  AWS_REGION: v.optional(v.string(), 'us-east-1'),
}

/** What openRedis needs. REDIS_SECRET_ARN names the AUTH token; it is absent locally, where the URL is complete. */
export const redisEnvironment = { REDIS_URL: Url, REDIS_SECRET_ARN: v.optional(v.string()) }

/** What openAccounts needs. */
export const accountsEnvironment = {
  FIREBASE_PROJECT_ID: v.string(),
  FIREBASE_API_KEY: v.string(),
  FIREBASE_SECRET_ARN: v.string(),
  FIREBASE_AUTH_EMULATOR_HOST: v.optional(v.string()),
}

/** What a consumer of a queue needs to refuse a message for good, or to have it back later. */
export const queueEnvironment = { QUEUE_URL: Url, DEAD_LETTER_QUEUE_URL: Url, FAN_OUT_QUEUE_URL: Url }

/** Where what is to be told of alarms is put. */
export const alarmEnvironment = { ALARM_QUEUE_URL: Url }

const Days = v.pipe(v.string(), v.regex(/^[1-9]\d*$/), v.transform(Number))

/** Days of telemetry kept as raw events. One value per stage, the same for all functions. */
export const retentionEnvironment = { HOT_RETENTION_DAYS: v.optional(Days, '30') }

/** Days for which history is kept: raw events while they are hot, minutes and hours from then on. */
export const historyEnvironment = { HISTORY_RETENTION_DAYS: v.optional(Days, '730') }

/**
 * Reads the process's environment, once at start. Throws an error that names each variable that is missing or wrong,
 * so that a bad deployment shows in the first log line.
 */
export function readEnvironment<const Entries extends v.ObjectEntries>(entries: Entries) {
  const result = v.safeParse(v.object(entries), process.env)
  if (result.success) return result.output
  const wrong = result.issues.map((issue) => `${v.getDotPath(issue) ?? '?'}: ${issue.message}`)
  throw new Error(`Wrong environment variables: ${wrong.join('; ')}`)
}
