import type { AdminAnswer } from '../../schemas/admin.ts'
import { filesOfTenant, keyOf, prefixOf } from '../data/archive-files.ts'
import { findTenant } from '../data/tenants.ts'
import { type Command, noTenant, type Services } from './services.ts'

const FILES_AT_ONCE = 100
/** Long enough for as many files on a slow line. */
const URL_SEC = 3600

/** The files of the archive, for whoever runs the command to fetch: they are too large for a function's answers. */
export async function listArchive(
  { db, archive }: Services,
  { slug, cursor }: Command<'tenant archive'>,
): Promise<AdminAnswer> {
  const tenant = await findTenant(db, slug)
  if (tenant === undefined) return noTenant(slug)
  const found = await filesOfTenant(db, tenant.id, cursor, FILES_AT_ONCE)
  const files = []
  for (const file of found) {
    const key = keyOf('readings', { tenant: slug, day: file.day }, file)
    const path = key.slice(prefixOf('readings', slug).length)
    const url = await archive.url(key, { expiresInSec: URL_SEC, fileName: `${file.id}.parquet` })
    files.push({ path, url, bytes: file.bytes, sha256: file.sha256.toString('hex') })
  }
  const last = found.length === FILES_AT_ONCE ? found.at(-1) : undefined
  return { status: 'files', message: `${files.length} files`, files, ...(last && { cursor: last.id }) }
}
