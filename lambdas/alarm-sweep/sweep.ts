import type { Kysely } from 'kysely'
import type pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import { advance, type State, step, type Transition } from '../alarms/engine.ts'
import { keyOf } from '../alarms/evaluate.ts'
import { judge } from '../alarms/judge.ts'
import { machineRules } from '../alarms/machine-rules.ts'
import { messageOf } from '../alarms/message.ts'
import { isOfMachine, type Rule, tagSource } from '../alarms/rule.ts'
import { judgeSilence } from '../alarms/silence.ts'
import { readAlarmContext } from '../data/alarm-context.ts'
import type { Database } from '../data/database.ts'
import { inPooledTransaction } from '../data/pooled-transaction.ts'
import { readAlarmRules } from '../data/read-alarm-rules.ts'
import { type GatewayHeard, type MachineHeard, readGatewaysHeard, readMachinesHeard } from '../data/read-silence.ts'
import {
  lockSweep,
  markSettled,
  readMachineNames,
  readSweptConditions,
  readUnsettled,
  type SweptCondition,
  tenantsWithRules,
} from '../data/sweep-conditions.ts'
import {
  type AlarmChange,
  NOTHING_WRITTEN,
  writeAlarmChanges,
  type WrittenAlarms,
} from '../data/write-alarm-changes.ts'

/** What was read may still be on its way: a delay is called over by the clock only this much later. */
const ON_ITS_WAY_MS = 10_000
/** For every consumer to know a change of a rule: twice what it remembers. */
const SETTLED_AFTER_MS = 10_000
/** A machine that was heard within it is not silent, so what it last said is its state. */
const HEARD_WITHIN_MS = 600_000

type Work = Omit<AlarmChange, 'events'> & {
  rule: Rule
  before: State
  after: State
  happened: Transition[]
  about: About
}
interface About {
  plant: string
  machine: string | null
  machineName: string | null
  gateway: string | null
  unit: string | null
}

/** All that no reading tells of, in one transaction with the machines that it changes locked. Undefined when another sweep is at it. */
export async function sweep(
  { pool, db }: { pool: pg.Pool; db: Kysely<Database> },
  now: number,
  isBehind: boolean,
): Promise<WrittenAlarms | undefined> {
  const tenantIds = await tenantsWithRules(db)
  if (tenantIds.length === 0) return NOTHING_WRITTEN
  const rules = await readAlarmRules(db, tenantIds)
  const unsettled = new Set(await readUnsettled(db, now - SETTLED_AFTER_MS))
  const toSettle = rules.filter(({ ruleId }) => unsettled.has(ruleId))
  const seen = await readMachinesHeard(pool, tenantIds)
  const candidates = candidatesOf(rules, toSettle, seen, now)
  return inPooledTransaction(pool, async (client) => {
    if (!(await lockSweep(client))) return undefined
    const silenceRules = rules.filter(
      ({ condition }) => condition.kind === 'no_data' || condition.kind === 'gateway_offline',
    )
    const dueAt = now - ON_ITS_WAY_MS
    const ids = silenceRules.map(({ ruleId }) => ruleId)
    const foreseen = await readSweptConditions(client, ids, dueAt)
    const machineIds = new Set([...candidates, ...foreseen.flatMap(({ machineId }) => machineId ?? [])])
    const values = toSettle.length === 0 ? [] : candidates
    const context = await readAlarmContext(client, [...machineIds], { newest: [], values })
    // As they are now that the machines are locked.
    const conditions = await readSweptConditions(client, ids, dueAt)
    const machines = await readMachinesHeard(client, tenantIds)
    const gateways = await readGatewaysHeard(client, tenantIds)
    const silence = judgeSilence(silenceRules, { machines, gateways, now, isBehind })
    const isLocked = (machineId: string | null) => machineId === null || machineIds.has(machineId)
    const names = await readMachineNames(client, [...machineIds])
    const byId = new Map(rules.map((rule) => [rule.ruleId, rule]))
    const work: Work[] = []

    const known = new Map(conditions.map((one) => [keyOf(one.ruleId, one.source), one]))
    for (const [key, held] of silence.holds) {
      if (!isLocked(held.about.machine?.machineId ?? null)) continue
      const condition = known.get(key)
      known.delete(key)
      work.push(stepped(workOf(held.rule, held.source, held, condition?.state), true, held.at, now))
    }
    const gatewayNames = new Map(gateways.map((gateway) => [gateway.gatewayId, gateway]))
    for (const [key, condition] of known) {
      const rule = byId.get(condition.ruleId)
      if (rule === undefined || !isLocked(condition.machineId) || silence.undecided.has(key)) continue
      const about = aboutOf(condition, names, gatewayNames)
      if (about === undefined) continue
      const one = workOf(rule, condition.source, about, condition.state)
      const isOver = condition.isRetired || ids.includes(rule.ruleId)
      work.push(isOver ? stepped(one, false, now, now) : advanced(one, dueAt))
    }
    for (const rule of toSettle) work.push(...settle(rule, context, names, now))
    await markSettled(client, toSettle)
    return writeAlarmChanges(client, work.filter(hasChanged).map(changeOf), [])
  })
}

/** Machines that may change: silent ones, and those of a rule that is to be settled. */
function candidatesOf(rules: Rule[], toSettle: Rule[], machines: MachineHeard[], now: number): string[] {
  const silent = rules.flatMap((rule) =>
    rule.condition.kind === 'no_data' ? [{ rule, forMs: rule.condition.forMs }] : [],
  )
  return machines
    .filter(
      (machine) =>
        silent.some(({ rule, forMs }) => rule.tenantId === machine.tenantId && machine.lastSeenAt + forMs <= now) ||
        (machine.lastSeenAt > now - HEARD_WITHIN_MS &&
          toSettle.some((rule) => rule.tenantId === machine.tenantId && isOfMachine(rule, machine))),
    )
    .map(({ machineId }) => machineId)
}

/** Where a condition is: as much of it as an alarm names. */
interface Source {
  about: {
    plantId: string
    plant: string
    machine?: Pick<MachineHeard, 'machineId' | 'slug' | 'name' | 'units'>
    gateway?: Pick<GatewayHeard, 'gatewayId' | 'thingName'>
  }
  tag?: string
}

function workOf(rule: Rule, source: string, { about, tag }: Source, before: State): Work {
  const { plantId, plant, machine, gateway } = about
  return {
    ...{ rule, ruleId: rule.ruleId, version: rule.version, source, plantId, state: null, happened: [] },
    ...{ machineId: machine?.machineId ?? null, gatewayId: gateway?.gatewayId ?? null, sourceTag: tag ?? null },
    ...{ before, after: before },
    about: {
      ...{
        plant,
        machine: machine?.slug ?? null,
        machineName: machine?.name ?? null,
        gateway: gateway?.thingName ?? null,
      },
      unit: (tag !== undefined && machine?.units[tag]) || null,
    },
  }
}

function stepped(work: Work, holds: boolean, at: number, now: number): Work {
  const moved = step(work.rule, work.after, holds, { at, value: null }, work.happened)
  return { ...work, after: advance(work.rule, moved, now, work.happened) }
}

const advanced = (work: Work, now: number): Work => ({
  ...work,
  after: advance(work.rule, work.after, now, work.happened),
})

type Names = Awaited<ReturnType<typeof readMachineNames>>

/** What an alarm is about that is gone is not named any more; undefined when there is no alarm of it either. */
function aboutOf(
  { source, machineId, plantId: plantOfAlarm }: SweptCondition,
  names: Names,
  gateways: Map<string, { gatewayId: string; thingName: string; plantId: string; plant: string }>,
): Source | undefined {
  if (machineId !== null) {
    const machine = names.get(machineId)
    if (machine === undefined) return undefined
    const tag = source.startsWith(tagSource(machineId, '')) ? source.slice(tagSource(machineId, '').length) : undefined
    const { plantId, plant } = machine
    return { about: { plantId, plant, machine }, ...(tag !== undefined && { tag }) }
  }
  const [kind, id = ''] = source.split(':')
  const all = [...gateways.values()]
  const gateway = kind === 'gateway' ? gateways.get(id) : all.find(({ plantId }) => plantId === id)
  if (gateway === undefined) return plantOfAlarm === null ? undefined : { about: { plantId: plantOfAlarm, plant: '' } }
  const { plantId, plant } = gateway
  return { about: { plantId, plant, ...(kind === 'gateway' && { gateway }) } }
}

/** What the machines last said, by a rule that was changed a moment ago: a value that stays as it is comes in no reading. */
function settle(rule: Rule, context: Awaited<ReturnType<typeof readAlarmContext>>, names: Names, now: number): Work[] {
  const work: Work[] = []
  for (const [machineId, { newest, conditions }] of context) {
    const machine = names.get(machineId)
    if (newest === undefined || machine === undefined || !isOfMachine(rule, machine)) continue
    const rules = machineRules([rule], machine)
    for (const tag of Object.keys(newest.values).filter((one) => rules.ofTag(one).length > 0)) {
      const sample = { at: now, value: newest.values[tag]!, quality: newest.quality?.[tag] }
      const source = tagSource(machineId, tag)
      const state = conditions.find((one) => one.ruleId === rule.ruleId && one.source === source)?.state
      const holds = judge(rule.condition, sample, undefined, state?.phase === 'active')
      const { plantId, plant } = machine
      const one = workOf(rule, source, { about: { plantId, plant, machine }, tag }, state)
      work.push({ ...one, after: step(rule, state, holds, sample, one.happened) })
    }
  }
  return work
}

const hasChanged = ({ before, after, happened }: Work) => happened.length > 0 || before !== after

function changeOf({ rule, after, happened, about, ...work }: Work): AlarmChange {
  const { ruleId, version, source, plantId, machineId, gatewayId, sourceTag } = work
  return {
    ...{ ruleId, version, source, plantId, machineId, gatewayId, sourceTag },
    state: after ?? null,
    events: happened.map(({ type, at, value }) => ({
      ...{ id: uuidv7(), type, at, value },
      message: messageOf(rule.message, {
        ...about,
        ...{ tag: sourceTag, value, rule: rule.name, condition: rule.condition },
      }),
    })),
  }
}
