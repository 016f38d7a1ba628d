import { AlarmTrial, TRIAL_HOURS, TryAlarmRule } from '../../../schemas/alarm-requests.ts'
import { advance, type State, step, type Transition } from '../../alarms/engine.ts'
import type { Rule } from '../../alarms/rule.ts'
import { episodes, type Raised, tryOnMachine } from '../../alarms/try-rule.ts'
import { pagesOfReadings } from '../../data/read-readings.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { gatewaysToTry, machinesToTry } from '../../data/trial-sources.ts'
import { mustSpeakFor } from '../alarm-plants.ts'
import { userRoute } from '../route.ts'

/** As much as an answer can wait for. */
const MAX_READINGS = 100_000
const MAX_MS = 12_000
const SHOWN = 100

export const route = userRoute({
  method: 'POST',
  path: '/v1/alarm-rule-trials',
  operationId: 'tryAlarmRule',
  summary: 'How often a rule would have been raised in the last 24 hours; nothing is saved',
  body: TryAlarmRule,
  answer: { status: 200, schema: AlarmTrial },
  async handle({ body, services, user }) {
    const { tenantId, plantAccess } = user
    const to = Date.now()
    const range = { from: to - TRIAL_HOURS * 3_600_000, to }
    const rule: Rule = { ...body, ruleId: 'trial', version: 0, tenantId, name: 'trial', message: null }
    return inTenant(services.db, tenantId, async (transaction) => {
      await mustSpeakFor(transaction, user, body.plantId)
      if (body.condition.kind === 'gateway_offline') {
        const gateways = await gatewaysToTry(transaction, tenantId, plantAccess, body.plantId, range)
        const found = gateways.flatMap(({ thingName, changes }) => offlineTimes(rule, thingName, changes, to))
        return {
          ...summary(found),
          ...range,
          matches: { machines: 0, gateways: gateways.length },
          readings: 0,
          machinesTried: 0,
          complete: true,
        }
      }
      const machines = await machinesToTry(transaction, tenantId, plantAccess, body)
      const found: Raised[] = []
      let [readings, machinesTried] = [0, 0]
      const isEnough = (more: number) => (readings += more) >= MAX_READINGS || Date.now() > to + MAX_MS
      for (const machine of machines) {
        if (isEnough(0)) break
        const pages = pagesOfReadings(transaction, { tenantId, machineId: machine.machineId, ...range })
        found.push(...(await tryOnMachine(rule, machine, pages, { ...range, isEnough })))
        machinesTried += 1
      }
      const complete = machinesTried === machines.length && !isEnough(0)
      return {
        ...summary(found),
        ...range,
        matches: { machines: machines.length, gateways: 0 },
        readings,
        machinesTried,
        complete,
      }
    })
  },
})

const summary = (found: Raised[]) => ({
  raised: found.length,
  items: found.toSorted((a, b) => b.raisedAt - a.raisedAt).slice(0, SHOWN),
})

function offlineTimes(
  rule: Rule,
  thingName: string,
  changes: { at: number; connection: string }[],
  to: number,
): Raised[] {
  const found = episodes({ machine: null, thingName })
  const happened: Transition[] = []
  let state: State
  for (const { at, connection } of changes) {
    state = advance(rule, state, at, happened)
    const holds = connection === 'unknown' ? undefined : connection !== 'online'
    state = step(rule, state, holds, { at, value: null }, happened)
  }
  advance(rule, state, to, happened)
  found.add(null, happened)
  return found.all()
}
