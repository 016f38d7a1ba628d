import type { Kysely } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import type { AdminAnswer, AdminCommand } from '../../schemas/admin.ts'
import { createTenant, ensurePlant, findTenantId, findUserByEmail, plantIdsBySlug } from '../data/admin-tenants.ts'
import { listDeadLetters, requestRedrive } from '../data/dead-letters.ts'
import type { Database } from '../data/database.ts'
import { inTenant } from '../data/tenant-transaction.ts'
import { nameAccount, reserveUser } from '../data/users.ts'
import { usageOfTenants } from '../data/tenant-usage.ts'
import { writeAudit } from '../data/write-audit.ts'
import { listGatewaysOf, listTenants } from '../data/tenants.ts'
import { deleteTenant } from './delete-tenant.ts'
import { disableOrEnableTenant } from './disable-tenant.ts'
import { exportTenant } from './export-tenant.ts'
import { listArchive } from './list-archive.ts'
import { type Command, noTenant, refused, type Services } from './services.ts'

export function runCommand(services: Services, command: AdminCommand, requestId: string): Promise<AdminAnswer> {
  switch (command.command) {
    case 'tenant create':
      return tenantCreate(services, command, requestId)
    case 'tenant list':
      return tenantList(services)
    case 'tenant costs':
      return tenantCosts(services)
    case 'tenant disable':
    case 'tenant enable':
      return disableOrEnableTenant(services, command, requestId)
    case 'tenant export':
      return exportTenant(services, command)
    case 'tenant archive':
      return listArchive(services, command)
    case 'tenant delete':
      return deleteTenant(services, command)
    case 'plant create':
      return plantCreate(services, command, requestId)
    case 'user invite':
      return userInvite(services, command, requestId)
    case 'gateway list':
      return gatewayList(services, command)
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
  if (!created && row.name !== command.name)
    return refused(`the slug ${row.slug} is taken by "${row.name}": choose another one; nothing was changed`)
  return done(created, row.id, `tenant ${row.slug}`)
}

async function tenantList({ db }: Services): Promise<AdminAnswer> {
  const items = await listTenants(db)
  return { status: 'tenants', items, message: `${items.length} tenants` }
}

async function tenantCosts({ db }: Services): Promise<AdminAnswer> {
  const items = await usageOfTenants(db, Date.now())
  return { status: 'usage', items, message: `${items.length} tenants` }
}

async function gatewayList({ db }: Services, { tenant }: Command<'gateway list'>): Promise<AdminAnswer> {
  if (tenant !== undefined && (await findTenantId(db, tenant)) === undefined) return noTenant(tenant)
  const items = await listGatewaysOf(db, tenant)
  return { status: 'gateways', items, message: `${items.length} gateways` }
}

async function plantCreate(
  { db }: Services,
  command: Command<'plant create'>,
  requestId: string,
): Promise<AdminAnswer> {
  const tenantId = await findTenantId(db, command.tenant)
  if (tenantId === undefined) return noTenant(command.tenant)
  const { created, row } = await ensurePlant(db, tenantId, command, requestId)
  if (row.province !== command.province) {
    return refused(`plant ${row.slug} exists in province ${row.province}: a slug is used once per tenant`)
  }
  return done(created, row.id, `plant ${row.slug} of ${command.tenant}`)
}

/** With a password there is nothing to invite to; else whoever has asked hands the link over, and Firebase mails it. */
async function userInvite(
  { db, accounts }: Services,
  command: Command<'user invite'>,
  requestId: string,
): Promise<AdminAnswer> {
  const tenantId = await findTenantId(db, command.tenant)
  if (tenantId === undefined) return noTenant(command.tenant)
  const { email, role, password } = command
  const plants = await resolvePlants(db, tenantId, command.plants)
  if ('missing' in plants)
    return refused(`${command.tenant} has no plant ${plants.missing.join(', ')}: create it first`)

  const by = { tenantId, userId: null, requestId }
  const newId = uuidv7()
  const wanted = { userId: newId, email, role, plantAccess: plants.access }
  const isNew = await inTenant(db, tenantId, (transaction) => reserveUser(transaction, by, wanted))
  const known = isNew ? undefined : await findUserByEmail(db, email)
  if (known !== undefined && known.tenant_id !== tenantId)
    return refused(`${email} belongs to another tenant; an address has one`)
  if (known !== undefined && known.role !== role) return refused(`${email} exists with the role ${known.role}`)
  const id = known?.id ?? newId
  if (known?.firebase_uid && password !== undefined) return done(false, id, `user ${email}`)

  const opened = await accounts()
  const { uid: firebaseUid } = await opened.ensure(email, password)
  const link = password === undefined ? await opened.invitationLink(email) : undefined
  await inTenant(db, tenantId, async (transaction) => {
    await nameAccount(transaction, by, { userId: id, firebaseUid, invitedAt: link === undefined ? null : Date.now() })
    if (link !== undefined) await writeAudit(transaction, { ...by, action: 'user.invite', subject: email })
  })
  if (link === undefined) return done(isNew, id, `user ${email}`)
  const mailed = await opened.mailInvitation(email, null)
  const mail = mailed ? 'Firebase mails a link to set a password' : 'the mail was NOT sent'
  return { status: 'invited', id, message: `user ${email} invited: ${mail}; this one works as well, once:`, link }
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
