import { filesOf, keyOf } from '../data/archive-files.ts'
import { copyMessages } from '../data/copy-messages.ts'
import type { ExportToMake } from '../data/make-exports.ts'
import { inTenant } from '../data/tenant-transaction.ts'
import { samplesIn } from '../parquet/read-samples.ts'
import { SampleBlock, type SampleColumns } from '../parquet/sample-block.ts'
import type { Services } from './services.ts'

/** From Postgres, by the tenant's rows alone. */
export async function* storedSamples(
  { reader }: Services,
  { tenantId, machineId, plant, machine, tags, from, to }: ExportToMake,
  day: number,
): AsyncGenerator<SampleColumns> {
  const client = await reader.connect()
  let isWhole = false
  try {
    await client.query('begin')
    await client.query(`select set_config('app.tenant_id', $1, true)`, [tenantId])
    const block = new SampleBlock()
    for await (const pack of copyMessages(client, { tenantId, day, machineIds: [machineId] })) {
      for (const message of pack) {
        if (message.ts < from || message.ts >= to) continue
        const found = tags.filter((tag) => Object.hasOwn(message.values, tag))
        if (found.length === 0) continue
        const values = Object.fromEntries(found.map((tag) => [tag, message.values[tag]!]))
        block.add({ ...message, values, plant, machine })
        if (block.isFull) yield block.take()
      }
    }
    yield block.take()
    await client.query('commit')
    isWhole = true
  } finally {
    client.release(!isWhole)
  }
}

/** From the files that the manifest names: those of a verified day do not overlap. */
export async function* archivedSamples(
  { db, archive }: Services,
  { tenantId, tenant, machineId, tags, from, to }: ExportToMake,
  day: number,
): AsyncGenerator<SampleColumns> {
  const files = await inTenant(db, tenantId, (own) => filesOf(own, { tenantId, tenant, day }))
  for (const file of files.filter(({ state }) => state === 'live')) {
    const key = keyOf('readings', { tenant, day }, file)
    const bytes = {
      byteLength: file.bytes,
      slice: async (start: number, end = file.bytes) => (await archive.get(key, { start, end })).buffer,
    }
    yield* samplesIn(bytes, { machineId, tags: new Set(tags), from, to })
  }
}
