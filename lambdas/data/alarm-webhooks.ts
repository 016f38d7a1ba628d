import { type Kysely, sql, type SqlBool, type Transaction } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import {
  type AlarmWebhook,
  type ChangeAlarmWebhook,
  type CreateAlarmWebhook,
  MAX_WEBHOOKS_PER_TENANT,
} from '../../schemas/alarm-requests.ts'
import type { PlantAccess } from '../../schemas/api.ts'
import type { AlarmWebhooks, Database } from './database.ts'
import { visiblePlant } from './visible-plants.ts'
import { type Author, writeAudit } from './write-audit.ts'

/** Those of all plants are shown to whom all plants are: their alarms are sent there. */
const webhooksOf = (db: Kysely<Database>, tenantId: string, access: PlantAccess) =>
  db
    .selectFrom('alarm_webhooks')
    .select(['id', 'name', 'url', 'plant_id', 'severity_from', 'enabled', 'created_at', 'updated_at'])
    .select(['last_attempt_at', 'last_error'])
    .where('tenant_id', '=', tenantId)
    .where(visiblePlant(access, 'alarm_webhooks.plant_id'))

const webhookOf = (
  row: Omit<AlarmWebhooks, 'sealed_secret' | 'tenant_id' | 'created_by' | 'updated_by'>,
): AlarmWebhook => ({
  ...{ webhookId: row.id, name: row.name, url: row.url, plantId: row.plant_id, severityFrom: row.severity_from },
  ...{ enabled: row.enabled, createdAt: row.created_at, updatedAt: row.updated_at },
  ...{ lastAttemptAt: row.last_attempt_at, lastError: row.last_error },
})

/** By name, and by id where the names are equal. */
export async function listAlarmWebhooks(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  { limit, after }: { limit: number; after: { name: string; id: string } | undefined },
): Promise<AlarmWebhook[]> {
  const rows = await webhooksOf(db, tenantId, access)
    .$if(after !== undefined, (query) => query.where(sql<SqlBool>`(name, id) > (${after!.name}, ${after!.id}::uuid)`))
    .orderBy('name')
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(webhookOf)
}

/** Undefined when there is none, or none that the user may see. */
export async function findAlarmWebhook(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  webhookId: string,
  { lock = false } = {},
): Promise<AlarmWebhook | undefined> {
  const row = await webhooksOf(db, tenantId, access)
    .where('id', '=', webhookId)
    .$if(lock, (query) => query.forUpdate())
    .executeTakeFirst()
  return row && webhookOf(row)
}

/** False when the tenant has as many as it may. */
export async function createAlarmWebhook(
  transaction: Transaction<Database>,
  by: Author,
  {
    webhookId,
    sealedSecret,
    name,
    url,
    plantId,
    severityFrom,
    enabled,
  }: CreateAlarmWebhook & { webhookId: string; sealedSecret: Buffer },
): Promise<boolean> {
  // Counted under the lock of the tenant's row.
  await transaction.selectFrom('tenants').select('id').where('id', '=', by.tenantId).forUpdate().execute()
  const { count } = await transaction
    .selectFrom('alarm_webhooks')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('tenant_id', '=', by.tenantId)
    .executeTakeFirstOrThrow()
  if (count >= MAX_WEBHOOKS_PER_TENANT) return false
  const now = Date.now()
  await transaction
    .insertInto('alarm_webhooks')
    .values({
      ...{ id: webhookId, tenant_id: by.tenantId, plant_id: plantId, name, url, sealed_secret: sealedSecret },
      ...{ severity_from: severityFrom, enabled, last_attempt_at: null, last_error: null },
      ...{ created_at: now, created_by: by.userId, updated_at: now, updated_by: by.userId },
    })
    .execute()
  const entry = { ...by, plantId, action: 'alarm_webhook.create', subject: name }
  await writeAudit(transaction, { ...entry, after: { url, plantId, severityFrom, enabled } })
  return true
}

/** That the user may see it has been checked, under the lock of its row. */
export async function changeAlarmWebhook(
  transaction: Transaction<Database>,
  by: Author,
  before: AlarmWebhook,
  change: ChangeAlarmWebhook,
): Promise<void> {
  const after = { ...before, ...change }
  const { name, url, plantId, severityFrom, enabled } = after
  await transaction
    .updateTable('alarm_webhooks')
    .set({
      ...{ name, url, plant_id: plantId, severity_from: severityFrom, enabled },
      ...{ updated_at: Date.now(), updated_by: by.userId },
    })
    .where('tenant_id', '=', by.tenantId)
    .where('id', '=', before.webhookId)
    .execute()
  await writeAudit(transaction, {
    ...{ ...by, plantId },
    action: 'alarm_webhook.change',
    subject: name,
    before: written(before),
    after: written(after),
  })
}

export async function deleteAlarmWebhook(
  transaction: Transaction<Database>,
  by: Author,
  before: AlarmWebhook,
): Promise<void> {
  await transaction
    .deleteFrom('alarm_webhooks')
    .where('tenant_id', '=', by.tenantId)
    .where('id', '=', before.webhookId)
    .execute()
  await writeAudit(transaction, {
    ...{ ...by, plantId: before.plantId },
    action: 'alarm_webhook.delete',
    subject: before.name,
    before: written(before),
  })
}

/** Puts a test delivery into the outbox, and returns its id. */
export async function requestWebhookTest(
  transaction: Transaction<Database>,
  by: Author,
  webhook: AlarmWebhook,
): Promise<string> {
  const [id, now] = [uuidv7(), Date.now()]
  await transaction
    .insertInto('alarm_outbox')
    .values({
      ...{ id, tenant_id: by.tenantId, plant_id: null, alarm_id: null, type: 'test', details: null },
      ...{ created_at: now, taken_at: now },
    })
    .execute()
  await transaction
    .insertInto('alarm_deliveries')
    .values({
      ...{ outbox_id: id, target: `webhook:${webhook.webhookId}`, tenant_id: by.tenantId },
      ...{ state: 'due', created_at: now, last_error: null },
    })
    .execute()
  const { plantId, name: subject } = webhook
  await writeAudit(transaction, { ...by, plantId, action: 'alarm_webhook.test', subject })
  return id
}

const written = ({ name, url, plantId, severityFrom, enabled }: AlarmWebhook) => ({
  name,
  url,
  plantId,
  severityFrom,
  enabled,
})
