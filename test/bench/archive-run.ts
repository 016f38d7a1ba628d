/** A process of its own, as the Archive function is: archives the day that it is told of, and says what that took. */
import * as v from 'valibot'
import { S3Client } from '@aws-sdk/client-s3'
import { archiveDay } from '../../lambdas/archive/archive-day.ts'
import { dueDays } from '../../lambdas/data/archive-days.ts'
import { LARGEST_FILE } from '../../lambdas/archive/services.ts'
import type { Database } from '../../lambdas/data/database.ts'
import { postgresEnvironment, readEnvironment } from '../../lambdas/runtime/environment.ts'
import { Objects } from '../../lambdas/runtime/objects.ts'
import { openPostgres } from '../../lambdas/runtime/postgres.ts'

const environment = readEnvironment({ ...postgresEnvironment, S3_URL: v.string(), FOLDER: v.string() })
const { db } = openPostgres<Database>(environment)
const { pool: reader } = openPostgres<Database>(environment)
const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench' }
const client = new S3Client({ endpoint: environment.S3_URL, region: 'us-east-1', credentials, forcePathStyle: true })
const services = {
  ...{ db, reader, objects: new Objects('archive', client), folder: environment.FOLDER },
  ...{ maxFile: LARGEST_FILE, hasTime: () => true, now: Date.now },
}
const [day] = await dueDays(db, Date.now(), 0)
const started = performance.now()
const reached = await archiveDay(services, day!)
const seconds = (performance.now() - started) / 1000
console.log(JSON.stringify({ reached, seconds, megabytes: process.resourceUsage().maxRSS / 1024 }))
process.exit()
