/** The archive as others see it: objects in a real S3 emulator, and DuckDB, which knows nothing of how they were written. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { DuckDBInstance } from '@duckdb/node-api'
import { startFauxqs } from 'fauxqs'
import { Objects } from '../../lambdas/runtime/objects.ts'

const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }

export async function startObjects() {
  const server = await startFauxqs({ port: 0, logger: false })
  const client = new S3Client({ endpoint: server.address, region: 'us-east-1', credentials, forcePathStyle: true })
  const Bucket = 'archive'
  await client.send(new CreateBucketCommand({ Bucket }))
  const folder = mkdtempSync(join(tmpdir(), 'archive-'))
  const objects = new Objects(Bucket, client)
  const duckdb = await DuckDBInstance.create()
  const connection = await duckdb.connect()
  /** Copies all files of the table, and gives the pattern of their paths; undefined when there is none. */
  const download = async (): Promise<string | undefined> => {
    const copy = join(folder, 'copy')
    rmSync(copy, { recursive: true, force: true })
    const keys = await objects.list('readings/')
    for (const key of keys) {
      mkdirSync(dirname(join(copy, key)), { recursive: true })
      writeFileSync(join(copy, key), await objects.get(key))
    }
    return keys.length === 0 ? undefined : `${copy}/readings/*/*/*.parquet`
  }
  return {
    objects,
    client,
    /** For files that are being written. */
    folder,
    url: server.address,
    download,
    /** How many rows it gives. */
    ask: async (sql: string) => (await connection.runAndReadAll(sql)).currentRowCount,
    /** The rows of a query of files that it names. */
    read: async (sql: string) => (await connection.runAndReadAll(sql)).getRowObjectsJson(),
    /** The rows of a query in which `samples` is the table that Athena has; undefined when there is no file at all. */
    async query(sql: string): Promise<Record<string, unknown>[] | undefined> {
      const glob = await download()
      if (glob === undefined) return undefined
      await connection.run(
        `create or replace view samples as select * from read_parquet('${glob}', hive_partitioning = true)`,
      )
      return (await connection.runAndReadAll(sql)).getRowObjectsJson()
    },
    async stop() {
      connection.closeSync()
      duckdb.closeSync()
      client.destroy()
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
export type TestObjects = Awaited<ReturnType<typeof startObjects>>
