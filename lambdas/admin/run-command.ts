import type { Auth } from 'firebase-admin/auth'
import type { Kysely } from 'kysely'
import type { AdminAnswer, AdminCommand } from '../../schemas/api.ts'
import {
  createPlant,
  createTenant,
  createUser,
  findTenantId,
  findUserByEmail,
  plantIdsBySlug,
} from '../data/admin-tenants.ts'
import { listDeadLetters, requestRedrive } from '../data/dead-letters.ts'
import type { Database } from '../data/database.ts'
import { ensureAccount } from './firebase-accounts.ts'

type Command<Name extends AdminCommand['command']> = Extract<AdminCommand, { command: Name }>

export interface Services {
  db: Kysely<Database>
  /** Opened by the commands that need it only. */
  firebase: () => Promise<Auth>
}

export function runCommand(services: Services, command: AdminCommand, requestId: string): Promise<AdminAnswer> {
  switch (command.command) {
    case 'tenant create':
      return tenantCreate(services, command, requestId)
    case 'plant create':
      return plantCreate(services, command, requestId)
    case 'user create':
      return userCreate(services, command, requestId)
    case 'dead-letter list':
      return deadLetterList(services, command)
    case 'dead-letter redrive':
      return deadLetterRedrive(services, command)
  }
}

async function tenantCreate(
  { db }: Services,
  command: Command<'tenant create'>,
  requestId: string,
): Promise<AdminAnswer> {
  const { created, row } = await createTenant(db, command, requestId)
  return done(created, row.id, `tenant ${row.slug}`)
}

async function plantCreate(
  { db }: Services,
  command: Command<'plant create'>,
  requestId: string,
): Promise<AdminAnswer> {
  const tenantId = await findTenantId(db, command.tenant)
  if (tenantId === undefined) return noTenant(command.tenant)
  const { created, row } = await createPlant(db, tenantId, command, requestId)
  if (row.province !== command.province) {
    return refused(`plant ${row.slug} exists in province ${row.province}: a slug is used once per tenant`)
  }
  return done(created, row.id, `plant ${row.slug} of ${command.tenant}`)
}

async function userCreate(
  { db, firebase }: Services,
  command: Command<'user create'>,
  requestId: string,
): Promise<AdminAnswer> {
  const tenantId = await findTenantId(db, command.tenant)
  if (tenantId === undefined) return noTenant(command.tenant)
  const email = command.email.toLowerCase()
  const known = await findUserByEmail(db, email)
  if (known !== undefined) {
    if (known.tenant_id !== tenantId) return refused(`${email} belongs to another tenant; an address has one`)
    if (known.role !== command.role) return refused(`${email} exists with the role ${known.role}`)
    return done(false, known.id, `user ${email}`)
  }
  const plants = await resolvePlants(db, tenantId, command.plants)
  if ('missing' in plants)
    return refused(`${command.tenant} has no plant ${plants.missing.join(', ')}: create it first`)

  const firebaseUid = await ensureAccount(await firebase(), email, command.password)
  const id = await createUser(
    db,
    tenantId,
    { firebaseUid, email, role: command.role, plants: plants.access },
    requestId,
  )
  return done(true, id, `user ${email}`)
}

const LISTED = 100

async function deadLetterList({ db }: Services, { code }: Command<'dead-letter list'>): Promise<AdminAnswer> {
  const items = await listDeadLetters(db, null, 'all', { code }, { limit: LISTED, after: undefined })
  const more = items.length === LISTED ? ', the newest ones: there may be more' : ''
  return { status: 'listed', items, message: `${items.length} dead letters of no tenant${more}` }
}

async function deadLetterRedrive(
  { db }: Services,
  { ids, code }: Command<'dead-letter redrive'>,
): Promise<AdminAnswer> {
  const count = await requestRedrive(db, null, 'all', ids === undefined ? { code: code! } : { ids })
  return { status: 'accepted', message: `${count} dead letters of no tenant go back to their queues within minutes` }
}

async function resolvePlants(
  db: Kysely<Database>,
  tenantId: string,
  plants: 'all' | string[],
): Promise<{ access: 'all' | string[] } | { missing: string[] }> {
  if (plants === 'all') return { access: 'all' }
  const ids = await plantIdsBySlug(db, tenantId, plants)
  const missing = plants.filter((slug) => !ids.has(slug))
  return missing.length > 0 ? { missing } : { access: [...ids.values()] }
}

function done(created: boolean, id: string, what: string): AdminAnswer {
  return created
    ? { status: 'created', id, message: `${what} created` }
    : { status: 'exists', id, message: `${what} exists` }
}

function noTenant(slug: string): AdminAnswer {
  return refused(`there is no tenant ${slug}: create it first`)
}

function refused(message: string): AdminAnswer {
  return { status: 'refused', message }
}
