import { type Kysely, sql } from 'kysely'
import type { Alarm, Severity } from '../../schemas/alarms.ts'
import { changedAlarms } from './alarms.ts'
import type { Database } from './database.ts'

/** What is to be told to one receiver. */
export interface Delivery {
  outboxId: string
  target: string
  type: 'raised' | 'cleared' | 'flood' | 'test'
  createdAt: number
  tenant: string
  tenantName: string
  /** Null: a test. */
  plant: { slug: string; name: string; timeZone: string } | null
  /** As it is now; null: a flood or a test. */
  alarm: Alarm | null
  /** Of a flood: alarms that were not told one by one. */
  withheld: Partial<Record<Severity, number>> | null
}

/** Undefined when it is done already, or its alarm, company or receiver is gone. */
export async function readDelivery(
  db: Kysely<Database>,
  outboxId: string,
  target: string,
): Promise<Delivery | undefined> {
  const { rows } = await sql<
    Omit<Delivery, 'alarm' | 'plant'> & {
      alarmId: string | null
      plant: string | null
      plantName: string
      timeZone: string
    }
  >`
    select o.id as "outboxId", d.target, o.type, o.created_at as "createdAt", o.alarm_id as "alarmId", o.details as withheld,
      t.slug as tenant, t.name as "tenantName", p.slug as plant, p.name as "plantName", p.time_zone as "timeZone"
    from alarm_deliveries d join alarm_outbox o on o.id = d.outbox_id
    join tenants t on t.id = o.tenant_id and t.disabled_at is null
    left join plants p on p.id = o.plant_id
    where d.outbox_id = ${outboxId} and d.target = ${target} and d.state = 'due'`.execute(db)
  const [row] = rows
  if (row === undefined) return undefined
  const { alarmId, plant, plantName: name, timeZone, ...delivery } = row
  const alarm = alarmId === null ? null : (await changedAlarms(db, [alarmId]))[0]?.alarm
  if (alarm === undefined) return undefined
  return { ...delivery, alarm, plant: plant === null ? null : { slug: plant, name, timeZone } }
}

/** Of a person who may still be told; undefined otherwise. */
export async function findMailReceiver(
  db: Kysely<Database>,
  userId: string,
): Promise<{ email: string; locale: 'en' | 'es' | null } | undefined> {
  return db
    .selectFrom('users')
    .select(['email', 'locale'])
    .where('id', '=', userId)
    .where('disabled_at', 'is', null)
    .executeTakeFirst()
}

export async function findWebhook(
  db: Kysely<Database>,
  webhookId: string,
): Promise<{ id: string; url: string; sealedSecret: Buffer } | undefined> {
  return db
    .selectFrom('alarm_webhooks')
    .select(['id', 'url', 'sealed_secret as sealedSecret'])
    .where('id', '=', webhookId)
    .executeTakeFirst()
}

/** `error` undefined: it was taken. A failed one stays due until the queue gives it up. */
export async function noteAttempt(
  db: Kysely<Database>,
  { outboxId, target }: Pick<Delivery, 'outboxId' | 'target'>,
  outcome: { state: 'due' | 'done' | 'dropped'; error: string | null },
): Promise<void> {
  await db
    .updateTable('alarm_deliveries')
    .set({ state: outcome.state, last_error: outcome.error, attempts: sql`attempts + 1` })
    .where('outbox_id', '=', outboxId)
    .where('target', '=', target)
    .execute()
  const [kind, id] = target.split(':')
  if (kind !== 'webhook') return
  await db
    .updateTable('alarm_webhooks')
    .set({ last_attempt_at: Date.now(), last_error: outcome.error })
    .where('id', '=', id!)
    .execute()
}
