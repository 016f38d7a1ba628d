/** What the sweep makes of silence: one alarm where one thing is wrong. */
import { describe, expect, it } from 'vitest'
import { judgeSilence } from '../../../lambdas/alarms/silence.ts'
import type { Rule } from '../../../lambdas/alarms/rule.ts'
import type { GatewayHeard, MachineHeard } from '../../../lambdas/data/read-silence.ts'
import type { AlarmCondition } from '../../../schemas/alarms.ts'

const NOW = 1_760_000_000_000
const rule = (ruleId: string, condition: AlarmCondition, more: Partial<Rule> = {}): Rule => ({
  ...{ ruleId, version: 1, tenantId: 't', plantId: null, name: ruleId, machine: '*', tag: null, condition },
  ...{ delayOnMs: 0, delayOffMs: 0, message: null, ...more },
})
const noData = rule('no-data', { kind: 'no_data', forMs: 60_000 })
const offline = rule('offline', { kind: 'gateway_offline' })
const at = { tenantId: 't', plantId: 'p', plant: 'mill' }
const gateway = (gatewayId: string, connection: GatewayHeard['connection'], statusAt = NOW): GatewayHeard => ({
  ...{ ...at, gatewayId, thingName: gatewayId, connection, statusAt },
})
const machines = (gatewayId: string | null, count: number, silentMs = 100_000): MachineHeard[] =>
  Array.from({ length: count }, (_, n) => ({
    ...{ ...at, machineId: `${gatewayId}-m${n}`, slug: `m-${n}`, name: null, units: {}, gatewayId },
    lastSeenAt: NOW - silentMs,
  }))
function sourcesOf(rules: Rule[], known: { machines?: MachineHeard[]; gateways?: GatewayHeard[]; isBehind?: boolean }) {
  const { holds, undecided } = judgeSilence(rules, { machines: [], gateways: [], isBehind: false, now: NOW, ...known })
  return { holds: [...holds.keys()].toSorted(), undecided: [...undecided].toSorted() }
}

describe('silence', () => {
  it('of a machine is told when its time is over, of each machine by itself while the gateway is there', () => {
    const known = {
      machines: [...machines('g1', 2), ...machines('g2', 1, 59_999)],
      gateways: [gateway('g1', 'online')],
    }
    expect(sourcesOf([noData], known).holds).toEqual(['no-data g1-m0', 'no-data g1-m1'])
  })

  it('of two hundred machines behind a gateway that is offline is one alarm, of the rule that watches gateways if there is one', () => {
    const known = { machines: machines('g1', 200), gateways: [gateway('g1', 'offline'), gateway('g2', 'online')] }
    expect(sourcesOf([noData], known).holds).toEqual(['no-data gateway:g1'])
    expect(sourcesOf([noData, offline], known).holds).toEqual(['offline gateway:g1'])
  })

  it('of all gateways of a plant is one alarm of the plant', () => {
    const gateways = [gateway('g1', 'stale'), gateway('g2', 'offline')]
    const known = { machines: [...machines('g1', 5), ...machines('g2', 5)], gateways }
    expect(sourcesOf([noData, offline], known).holds).toEqual(['offline plant:p'])
    expect(sourcesOf([noData], known).holds).toEqual(['no-data plant:p'])
  })

  it('is not judged while the gateway may be called stale in a moment, nothing is known of it, or our own queue is behind', () => {
    const doubtful = { machines: machines('g1', 1), gateways: [gateway('g1', 'online', NOW - 21_000)] }
    const none = { holds: [], undecided: ['no-data g1-m0'] }
    expect(sourcesOf([noData], doubtful)).toEqual(none)
    expect(sourcesOf([noData], { ...doubtful, gateways: [gateway('g1', 'unknown')] })).toEqual(none)
    expect(
      sourcesOf([noData], { machines: machines('g1', 1), gateways: [gateway('g1', 'online')], isBehind: true }),
    ).toEqual(none)
    expect(sourcesOf([offline], { gateways: [gateway('g1', 'unknown')] })).toEqual({
      holds: [],
      undecided: ['offline gateway:g1', 'offline plant:p'],
    })
  })

  it('is of the rule’s own company, plant and machines only', () => {
    const known = { machines: machines(null, 2), gateways: [gateway('g1', 'offline')] }
    expect(
      sourcesOf(
        [
          { ...noData, tenantId: 'other' },
          { ...offline, plantId: 'other' },
        ],
        known,
      ).holds,
    ).toEqual([])
    expect(sourcesOf([{ ...noData, machine: '*-1' }], known).holds).toEqual(['no-data null-m1'])
  })
})
