import { type Kysely, sql, type SqlBool } from 'kysely'
import type { AlarmCounts, AlarmEvent, AlarmQuery } from '../../schemas/alarm-requests.ts'
import type { Alarm, AlarmState } from '../../schemas/alarms.ts'
import type { PlantAccess } from '../../schemas/api.ts'
import type { Database } from './database.ts'
import { visiblePlant } from './visible-plants.ts'

interface TimeAndId {
  at: number
  id: string
}

/** Alarms as the API and the live socket give them. Narrow it by plant or id. */
function alarmsOf(db: Kysely<Database>) {
  return db
    .selectFrom('alarms')
    .leftJoin('machines', 'machines.id', 'alarms.machine_id')
    .leftJoin('gateways', 'gateways.id', 'alarms.gateway_id')
    .selectAll('alarms')
    .select([
      'machines.slug as machine',
      'machines.name as machineName',
      'machines.units',
      'gateways.thing_name as thingName',
    ])
}

type Row = Awaited<ReturnType<ReturnType<typeof alarmsOf>['executeTakeFirstOrThrow']>>

export function stateOf(row: { cleared_at: number | null; acknowledged_at: number | null }): AlarmState {
  if (row.cleared_at === null) return row.acknowledged_at === null ? 'unacknowledged' : 'acknowledged'
  return row.acknowledged_at === null ? 'returned' : 'normal'
}

function alarmOf(row: Row): Alarm {
  return {
    ...{ alarmId: row.id, ruleId: row.rule_id, ruleName: row.rule_name, plantId: row.plant_id },
    ...{ machineId: row.machine_id, machine: row.machine, machineName: row.machineName },
    ...{ thingName: row.thingName, tag: row.tag },
    ...{ condition: row.condition, severity: row.severity, message: row.message, state: stateOf(row) },
    value: row.value,
    unit: (row.tag !== null && row.units?.[row.tag]) || null,
    ...{ raisedAt: row.raised_at, clearedAt: row.cleared_at, occurrences: row.occurrences },
    ...{ acknowledgedAt: row.acknowledged_at, acknowledgedBy: row.acknowledged_by, comment: row.comment },
    suppression:
      row.suppressed === null
        ? null
        : {
            kind: row.suppressed,
            since: row.suppressed_since!,
            until: row.suppressed_until,
            reason: row.suppressed_reason!,
            by: row.suppressed_by,
          },
    closedAt: row.closed_at,
    late: row.late_hour !== null,
  }
}

/** Conditions of each filter that a list may have. */
const MEANING: Record<NonNullable<AlarmQuery['state']>, string> = {
  open: 'closed_at is null and suppressed is null',
  unacknowledged: 'closed_at is null and suppressed is null and cleared_at is null and acknowledged_at is null',
  acknowledged: 'closed_at is null and suppressed is null and cleared_at is null and acknowledged_at is not null',
  returned: 'closed_at is null and suppressed is null and cleared_at is not null and acknowledged_at is null',
  normal: 'closed_at is null and cleared_at is not null and acknowledged_at is not null',
  shelved: `closed_at is null and suppressed = 'shelved'`,
  out_of_service: `closed_at is null and suppressed = 'out_of_service'`,
  closed: 'closed_at is not null',
}

type Filter = Omit<AlarmQuery, 'limit' | 'cursor'>

/** Newest first, and by id where the times are equal. */
export async function listAlarms(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  { state, severity, plantId, machineId, ruleId, from, to }: Filter,
  { limit, after }: { limit: number; after: TimeAndId | undefined },
): Promise<Alarm[]> {
  const rows = await alarmsOf(db)
    .where('alarms.tenant_id', '=', tenantId)
    .where(visiblePlant(access, 'alarms.plant_id'))
    .where(sql<SqlBool>`${sql.raw(MEANING[state])}`)
    .$if(severity !== undefined, (query) => query.where('alarms.severity', '=', severity!))
    .$if(plantId !== undefined, (query) => query.where('alarms.plant_id', '=', plantId!))
    .$if(machineId !== undefined, (query) => query.where('alarms.machine_id', '=', machineId!))
    .$if(ruleId !== undefined, (query) => query.where('alarms.rule_id', '=', ruleId!))
    .$if(from !== undefined, (query) => query.where('raised_at', '>=', from!))
    .$if(to !== undefined, (query) => query.where('raised_at', '<', to!))
    .$if(after !== undefined, (query) =>
      query.where(sql<SqlBool>`(raised_at, alarms.id) < (${after!.at}::int8, ${after!.id}::uuid)`),
    )
    .orderBy('raised_at', 'desc')
    .orderBy('alarms.id', 'desc')
    .limit(limit)
    .execute()
  return rows.map(alarmOf)
}

/** Undefined when there is none, or none in a plant that the user may see. */
export async function findAlarm(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  alarmId: string,
): Promise<Alarm | undefined> {
  const row = await alarmsOf(db)
    .where('alarms.tenant_id', '=', tenantId)
    .where('alarms.id', '=', alarmId)
    .where(visiblePlant(access, 'alarms.plant_id'))
    .executeTakeFirst()
  return row && alarmOf(row)
}

/** All that are open in a plant, newest first; of a flood those that were raised last. */
export async function openAlarms(db: Kysely<Database>, tenantId: string, plantId: string): Promise<Alarm[]> {
  const rows = await alarmsOf(db)
    .where('alarms.tenant_id', '=', tenantId)
    .where('alarms.plant_id', '=', plantId)
    .where('closed_at', 'is', null)
    .orderBy('raised_at', 'desc')
    .limit(MAX_IN_SNAPSHOT)
    .execute()
  return rows.map(alarmOf)
}

const MAX_IN_SNAPSHOT = 1_000

/** What is to be told of an alarm that has changed, and where. */
export interface ChangedAlarm {
  alarm: Alarm
  tenant: string
  plant: string
  revision: number
}

/** For those who tell of changes; the tenant is not asked for, as the ids come from our own statements. */
export async function changedAlarms(db: Kysely<Database>, alarmIds: string[]): Promise<ChangedAlarm[]> {
  const rows = await alarmsOf(db)
    .innerJoin('tenants', 'tenants.id', 'alarms.tenant_id')
    .innerJoin('plants', 'plants.id', 'alarms.plant_id')
    .select(['tenants.slug as tenant', 'plants.slug as plant'])
    .where(sql<SqlBool>`alarms.id = any(${alarmIds}::uuid[])`)
    .execute()
  return rows.map((row) => ({
    alarm: alarmOf(row),
    tenant: row.tenant,
    plant: row.plant,
    revision: row.revision,
  }))
}

/** Of the open ones that are not kept from view. */
export async function countAlarms(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
): Promise<AlarmCounts['items']> {
  const rows = await db
    .selectFrom('alarms')
    .select(['plant_id', 'severity'])
    .select(sql<boolean>`cleared_at is null`.as('active'))
    .select(sql<boolean>`acknowledged_at is null`.as('unseen'))
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('tenant_id', '=', tenantId)
    .where(visiblePlant(access, 'alarms.plant_id'))
    .where(sql<SqlBool>`${sql.raw(MEANING.open)}`)
    .groupBy(['plant_id', 'severity', sql`cleared_at is null`, sql`acknowledged_at is null`])
    .execute()
  return rows.map(({ plant_id: plantId, severity, active, unseen, count }) => ({
    ...{ plantId, severity, count },
    state: stateOf({ cleared_at: active ? null : 0, acknowledged_at: unseen ? null : 0 }),
  }))
}

/** Newest first. That the user may see the alarm has been checked. */
export async function listAlarmEvents(
  db: Kysely<Database>,
  tenantId: string,
  alarmId: string,
  { limit, after }: { limit: number; after: TimeAndId | undefined },
): Promise<AlarmEvent[]> {
  return db
    .selectFrom('alarm_events')
    .leftJoin('users', (join) =>
      join.onRef('users.id', '=', 'alarm_events.user_id').onRef('users.tenant_id', '=', 'alarm_events.tenant_id'),
    )
    .select(['alarm_events.id', 'at', 'event', 'value', 'users.email as by', 'text'])
    .where('alarm_events.tenant_id', '=', tenantId)
    .where('alarm_id', '=', alarmId)
    .$if(after !== undefined, (query) =>
      query.where(sql<SqlBool>`(at, alarm_events.id) < (${after!.at}::int8, ${after!.id}::uuid)`),
    )
    .orderBy('at', 'desc')
    .orderBy('alarm_events.id', 'desc')
    .limit(limit)
    .execute()
}
