/**
 * One export from its row to its file.
 *
 * A day is read where it is whole: from the archive when that has been verified, which is when nothing of the day can come any more, and
 * from Postgres before. So a day that is in both is read once. A day of Postgres may become verified, and be dropped, while
 * it is read: that is asked afterwards, and then all is begun anew.
 *
 * The file appears when its last part was sent, under a name that is the export's own: whoever makes it once more puts the same
 * in its place.
 */
import { join } from 'node:path'
import { rmSync } from 'node:fs'
import { Readable } from 'node:stream'
import type { ExportWorkItem } from '../../schemas/exports.ts'
import { exportKey } from '../data/exports.ts'
import {
  type ExportToMake,
  failExport,
  finishExport,
  isDayInArchive,
  leaveExport,
  noteProgress,
  takeExport,
} from '../data/make-exports.ts'
import { DAY_MS } from '../data/partitions.ts'
import { inTenant } from '../data/tenant-transaction.ts'
import type { SampleColumns } from '../parquet/sample-block.ts'
import { SampleFile } from '../parquet/sample-file.ts'
import { CSV_HEAD, csvOf } from './csv-of.ts'
import { archivedSamples, storedSamples } from './read-day.ts'
import type { Services } from './services.ts'

/** More than the function may run. */
const LEASE_MS = 16 * 60_000

class TooLarge extends Error {}

type Outcome = 'made' | 'too large' | 'done' | 'busy' | 'absent'

/** Throws when something failed that may pass. `busy`: whoever has it has a message of its own. */
export async function makeExport(services: Services, { tenantId, exportId }: ExportWorkItem): Promise<Outcome> {
  const { db } = services
  const now = Date.now()
  const taken = await inTenant(db, tenantId, (own) => takeExport(own, tenantId, exportId, now, now + LEASE_MS))
  if (typeof taken === 'string') return taken
  try {
    const written = await WRITE[taken.format](services, taken)
    await inTenant(db, tenantId, (own) => finishExport(own, exportId, written))
    return 'made'
  } catch (error) {
    if (!(error instanceof TooLarge)) {
      await inTenant(db, tenantId, (own) => leaveExport(own, exportId))
      throw error
    }
    await inTenant(db, tenantId, (own) => failExport(own, exportId, 'too_large'))
    return 'too large'
  }
}

interface Written {
  rows: number
  bytes: number
}

const WRITE: Record<ExportToMake['format'], (services: Services, wanted: ExportToMake) => Promise<Written>> = {
  async csv(services, wanted) {
    const written = { rows: 0, bytes: 0 }
    async function* parts() {
      yield Buffer.from(CSV_HEAD)
      for await (const samples of samplesOf(services, wanted)) {
        written.rows += samples.ts.length
        yield Buffer.from(csvOf(samples, wanted.units))
      }
    }
    async function* counted() {
      for await (const part of parts()) {
        written.bytes += part.length
        yield part
      }
    }
    await services.exports.put(exportKey(wanted.tenant, wanted), Readable.from(counted()), 'text/csv; charset=utf-8')
    return written
  },
  async parquet(services, wanted) {
    const path = join(services.folder, `${wanted.id}.parquet`)
    try {
      const file = new SampleFile(path)
      for await (const samples of samplesOf(services, wanted)) {
        await file.write(samples)
        if (file.bytes > services.maxFileBytes) throw new TooLarge()
      }
      await file.close()
      await services.exports.putFile(exportKey(wanted.tenant, wanted), path, 'application/vnd.apache.parquet')
      return { rows: file.samples, bytes: file.bytes }
    } finally {
      rmSync(path, { force: true })
    }
  },
}

/** All samples of the export, by day and time, in blocks. Throws TooLarge when time is up. */
async function* samplesOf(services: Services, wanted: ExportToMake): AsyncGenerator<SampleColumns> {
  const { db, hasTime } = services
  const own = <Result>(work: Parameters<typeof inTenant<Result>>[2]) => inTenant(db, wanted.tenantId, work)
  const [first, last] = [Math.floor(wanted.from / DAY_MS), Math.floor((wanted.to - 1) / DAY_MS)]
  for (let day = first; day <= last; day += 1) {
    const isArchived = () => own((transaction) => isDayInArchive(transaction, wanted.tenantId, day))
    const wasArchived = await isArchived()
    for await (const samples of (wasArchived ? archivedSamples : storedSamples)(services, wanted, day)) {
      if (!hasTime()) throw new TooLarge()
      if (samples.ts.length > 0) yield samples
    }
    if (!wasArchived && (await isArchived())) throw new Error(`day ${day} has gone into the archive meanwhile`)
    const percent = Math.floor((100 * (day + 1 - first)) / (last + 1 - first))
    await own((transaction) => noteProgress(transaction, wanted.id, Math.min(percent, 99)))
  }
}
