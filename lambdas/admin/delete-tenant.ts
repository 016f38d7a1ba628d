/**
 * Removes all of a tenant in steps of seconds, each of which may be repeated:
 *
 *   gateways   certificates, policies and Things at AWS IoT, then the connection
 *   accounts   at Firebase
 *   keys       in Redis, once the consumers have forgotten the tenant
 *   archive    its objects in S3, readings and exports, once nobody is at a day or an export of the tenant any more
 *   rows       of every table that has rows of tenants, the audit log with them
 *   proof      everything is looked through once more, and the tenant itself goes
 *
 * The cursor says where to go on. Who begins again without it finds the earlier steps done.
 */
import type { AdminAnswer } from '../../schemas/admin.ts'
import { busyUntil } from '../data/archive-days.ts'
import { prefixOf } from '../data/archive-files.ts'
import { exportsBusyUntil, exportsOf } from '../data/exports.ts'
import { forgetUsers } from '../data/cached-user.ts'
import { closeConnections } from '../data/close-connections.ts'
import { findTenantKeys, removeKeys, type TenantKeys } from '../data/tenant-keys.ts'
import { countRows, eraseRows, eraseTenant, tablesToErase } from '../data/tenant-rows.ts'
import { beginDeletion, certificatesOf, findTenant, listGatewaysOf, peopleOf, type Person } from '../data/tenants.ts'
import { disconnect } from '../gateways/disconnect.ts'
import { removeFromIot } from '../gateways/remove-from-iot.ts'
import { runBounded } from '../runtime/run-bounded.ts'
import { type Command, type Services } from './services.ts'

/** Of one call: the answer to the command line has to come before anything on the way gives up. */
const STEP_MS = 15_000
/** Consumers remember a tenant for a minute, and finish the batch that they are at. */
export const SETTLE_MS = 120_000
const ROWS_AT_ONCE = 20_000
const AT_ONCE = 5
const OBJECTS_AT_ONCE = 200
/** Between two looks at whether the archive is left alone. */
const BUSY_WAIT_MS = 60_000

interface Tenant {
  id: string
  slug: string
}

/** `from`: of whom it goes on with; empty: from the begin. */
type Step = (services: Services, tenant: Tenant, from: string) => Promise<AdminAnswer>

export async function deleteTenant(
  services: Services,
  { slug, cursor = 'gateways:' }: Command<'tenant delete'>,
): Promise<AdminAnswer> {
  const tenant = await findTenant(services.db, slug)
  if (tenant === undefined) return { status: 'deleted', message: `there is no tenant ${slug}`, counts: {} }
  const [name = '', from = ''] = cursor.split(/:(.*)/s)
  const step = STEPS[name]
  if (step === undefined) return { status: 'refused', message: `there is no step ${name}` }
  return step(services, tenant, from)
}

const STEPS: Record<string, Step> = { gateways, accounts, keys, archive, rows, proof }

const next = (cursor: string, message: string, waitMs = 0): AdminAnswer => ({
  status: 'working',
  message,
  cursor,
  waitMs,
})

async function gateways(services: Services, tenant: Tenant, from: string): Promise<AdminAnswer> {
  const { db, redis, iot, iotData } = services
  if (from === '') {
    const people = await peopleOf(db, tenant.id)
    await forgetUsers(redis, people)
    await beginDeletion(db, tenant.id)
    await runBounded(people, AT_ONCE, ({ userId }) => closeConnections(services, userId))
  }
  const until = Date.now() + STEP_MS
  const all = (await listGatewaysOf(db, tenant.slug)).map((one) => one.thingName)
  // In an order of ours: the database's hangs on its language, and names before the cursor are compared here.
  const names = all.toSorted().filter((name) => name >= from)
  for (const thingName of names) {
    if (Date.now() > until) return next(`gateways:${thingName}`, `gateways before ${thingName} are gone from AWS IoT`)
    await removeFromIot(iot, thingName, await certificatesOf(db, thingName))
    await disconnect(iotData, thingName)
  }
  return next('accounts:', 'all gateways are gone from AWS IoT')
}

async function accounts({ db, accounts: open }: Services, tenant: Tenant, from: string): Promise<AdminAnswer> {
  const people = (await peopleOf(db, tenant.id)).filter(
    (one): one is Person & { firebaseUid: string } => one.firebaseUid !== null && one.userId >= from,
  )
  const opened = await open()
  const until = Date.now() + STEP_MS
  for (const { userId, firebaseUid } of people) {
    if (Date.now() > until) return next(`accounts:${userId}`, `accounts before ${userId} are gone from Firebase`)
    await opened.remove(firebaseUid)
  }
  return next('keys:', 'all accounts are gone from Firebase')
}

async function keysOf({ db }: Services, { id: tenantId, slug }: Tenant): Promise<TenantKeys> {
  const people = await peopleOf(db, tenantId)
  const firebaseUids = people.flatMap(({ firebaseUid }) => firebaseUid ?? [])
  return { slug, tenantId, userIds: people.map(({ userId }) => userId), firebaseUids }
}

async function keys(services: Services, tenant: Tenant): Promise<AdminAnswer> {
  const waitMs = (await beginDeletion(services.db, tenant.id)) + SETTLE_MS - Date.now()
  if (waitMs > 0) return next('keys:', 'until the consumers have forgotten the tenant', waitMs)
  const found = await findTenantKeys(services.redis, await keysOf(services, tenant))
  await removeKeys(services.redis, found)
  const left = await findTenantKeys(services.redis, await keysOf(services, tenant))
  if (left.length > 0) throw new Error(`Redis still has ${left.length} keys of ${tenant.slug}, such as ${left[0]}`)
  return next('archive:', `${found.length} keys removed from Redis, none is left`)
}

/** Nothing is begun for a tenant that is being deleted; what is under way ends within its lease. */
async function archive(services: Services, tenant: Tenant): Promise<AdminAnswer> {
  const { db } = services
  const busyMs = Math.max(await busyUntil(db, tenant.id), await exportsBusyUntil(db, tenant.id)) - Date.now()
  if (busyMs > 0)
    return next('archive:', 'until the archive and the exports are left alone', Math.min(busyMs, BUSY_WAIT_MS))
  const until = Date.now() + STEP_MS
  let removed = 0
  for (const { objects, prefix } of placesOf(services, tenant)) {
    const keys = await objects.list(prefix)
    for (let start = 0; start < keys.length; start += OBJECTS_AT_ONCE) {
      if (Date.now() > until) return next('archive:', `${removed} objects removed from S3`)
      const some = keys.slice(start, start + OBJECTS_AT_ONCE)
      await objects.remove(some)
      removed += some.length
    }
  }
  return next('rows:', `${removed} objects removed from S3`)
}

/** Where a tenant has objects. */
const placesOf = ({ archive: readings, exports }: Services, { slug }: Pick<Tenant, 'slug'>) => [
  { objects: readings, prefix: prefixOf('readings', slug) },
  { objects: readings, prefix: prefixOf('staging', slug) },
  { objects: exports, prefix: exportsOf(slug) },
]

async function rows({ db }: Services, tenant: Tenant): Promise<AdminAnswer> {
  const until = Date.now() + STEP_MS
  let removed = 0
  for (const table of await tablesToErase(db)) {
    for (;;) {
      const count = await eraseRows(db, tenant.id, table, ROWS_AT_ONCE)
      removed += count
      if (count === 0) break
      if (Date.now() > until) return next('rows:', `${removed} rows removed, ${table} is next`)
    }
  }
  return next('proof:', `${removed} rows removed, no table has more`)
}

/** What the steps before could look for only while the rows told the names is held by their having come this far. */
async function proof(services: Services, tenant: Tenant): Promise<AdminAnswer> {
  const { db, redis } = services
  const counts: Record<string, number> = {}
  for (const table of await tablesToErase(db)) counts[table] = await countRows(db, tenant.id, table)
  const ids = { slug: tenant.slug, tenantId: tenant.id, userIds: [], firebaseUids: [] }
  counts['objects in S3'] = 0
  for (const { objects, prefix } of placesOf(services, tenant))
    counts['objects in S3'] += (await objects.list(prefix)).length
  counts['redis'] = (await findTenantKeys(redis, ids)).length
  const left = Object.entries(counts).filter(([, count]) => count > 0)
  if (left.length > 0)
    return next('gateways:', `left: ${left.map(([what, count]) => `${count} in ${what}`).join(', ')}`)
  await eraseTenant(db, tenant.id)
  return { status: 'deleted', message: `nothing is left of ${tenant.slug}`, counts }
}
