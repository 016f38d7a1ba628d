import { Aws, Stack } from 'aws-cdk-lib'
import { CfnWorkGroup } from 'aws-cdk-lib/aws-athena'
import { CfnDatabase, CfnTable } from 'aws-cdk-lib/aws-glue'
import type { IBucket } from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import type { Settings } from '../settings.ts'

/** As the files have them (lambdas/parquet/sample-schema.ts): name and type of Hive. */
const COLUMNS = [
  ['plant', 'string', 'Slug'],
  ['machine', 'string', 'Slug'],
  ['machine_id', 'string', ''],
  ['tag', 'string', ''],
  ['ts', 'timestamp', 'When it was read at the PLC, UTC'],
  ['seq', 'bigint', 'Of the message: tags of one message have the same'],
  ['received_at', 'timestamp', 'When the cloud got it, UTC'],
  ['kind', 'string', 'number, boolean, string, or null where the tag could not be read'],
  ['value', 'double', 'Numbers; booleans as 0 and 1'],
  ['text', 'string', 'Strings'],
  ['quality', 'string', 'good, uncertain, bad'],
] as const

/** Nothing was ever read before. */
const FIRST_DATE = '2025-01-01'

/** A mistake in a query costs a cent or so, not a fortune: Athena takes $5 for a terabyte. */
const MAX_SCANNED_BYTES = 20 * 2 ** 30

/**
 * The archive as a table of Athena, `samples`. Its partitions are computed from the names of the folders (partition
 * projection), so that nobody has to register a new day. Each query has to name a tenant: `where tenant = '…'`.
 */
export class ArchiveTable extends Construct {
  readonly database: string
  readonly table = 'samples'
  readonly #results: IBucket

  constructor(scope: Construct, id: string, { stage }: Settings, archive: IBucket, results: IBucket) {
    super(scope, id)
    this.#results = results
    this.database = `iot_telemetry_${stage}`
    const database = new CfnDatabase(this, 'Database', {
      catalogId: Aws.ACCOUNT_ID,
      databaseInput: { name: this.database, description: `Archive of iot-telemetry ${stage}` },
    })
    const table = new CfnTable(this, 'Table', {
      catalogId: Aws.ACCOUNT_ID,
      databaseName: this.database,
      tableInput: {
        name: this.table,
        description: 'Every reading, one row per tag; by machine, tag and time',
        tableType: 'EXTERNAL_TABLE',
        partitionKeys: [
          { name: 'tenant', type: 'string', comment: 'Slug' },
          { name: 'date', type: 'string', comment: 'Day of ts, UTC' },
        ],
        parameters: {
          EXTERNAL: 'TRUE',
          classification: 'parquet',
          'projection.enabled': 'true',
          'projection.tenant.type': 'injected',
          'projection.date.type': 'date',
          'projection.date.format': 'yyyy-MM-dd',
          'projection.date.range': `${FIRST_DATE},NOW`,
          'projection.date.interval': '1',
          'projection.date.interval.unit': 'DAYS',
          'storage.location.template': `s3://${archive.bucketName}/readings/tenant=\${tenant}/date=\${date}/`,
        },
        storageDescriptor: {
          columns: COLUMNS.map(([name, type, comment]) => ({ name, type, ...(comment !== '' && { comment }) })),
          location: `s3://${archive.bucketName}/readings/`,
          inputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat',
          outputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat',
          serdeInfo: { serializationLibrary: 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe' },
        },
      },
    })
    table.addResourceDependency(database)
    this.workGroup('WorkGroup', `iot-telemetry-${stage}`, 'platform')
  }

  /** Whose queries are run in it finds their results under `athena/{folder}/`, and nowhere else. */
  workGroup(id: string, name: string, folder: string): CfnWorkGroup {
    return new CfnWorkGroup(this, id, {
      name,
      description: `Queries of the archive; results under athena/${folder}/`,
      // What a work group remembers are its queries, without which AWS would not delete it.
      recursiveDeleteOption: true,
      workGroupConfiguration: {
        enforceWorkGroupConfiguration: true,
        publishCloudWatchMetricsEnabled: true,
        bytesScannedCutoffPerQuery: MAX_SCANNED_BYTES,
        engineVersion: { selectedEngineVersion: 'Athena engine version 3' },
        resultConfiguration: {
          outputLocation: `s3://${this.#results.bucketName}/athena/${folder}/`,
          encryptionConfiguration: { encryptionOption: 'SSE_S3' },
        },
      },
    })
  }

  /** What has to be readable in the Glue catalogue to use the table. */
  get catalogArns(): string[] {
    const arn = (resource: string) => Stack.of(this).formatArn({ service: 'glue', resource })
    return [arn('catalog'), arn(`database/${this.database}`), arn(`table/${this.database}/${this.table}`)]
  }
}
