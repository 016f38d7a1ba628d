/** The arithmetic of `npm run plan` and of a tenant's costs, against examples that were counted by hand. */
import { describe, expect, it } from 'vitest'
import { batchOf, classFor, storedPerSecond } from '../../../cdk/plan/capacity.ts'
import { costsOf, databaseFor } from '../../../cdk/plan/costs.ts'
import { gatewaysAt, limitsOf } from '../../../cdk/plan/limits.ts'
import { loadOf } from '../../../cdk/plan/load.ts'
import { planOf, readFleet } from '../../../cdk/plan/plan.ts'
import { settingsFrom } from '../../../cdk/settings.ts'
import { costsOfUsage, MINUTES_PER_MONTH, payloadUnits, totalOf } from '../../../schemas/prices.ts'

const prod = settingsFrom((key) => (key === 'stage' ? 'prod' : undefined))
const fleet = (gateways: number) => ({ gateways, tags: 50, intervalSec: 5, machines: 1, watchers: gateways / 10 })

describe('the costs of what is sent', () => {
  it('of one gateway that is always on', () => {
    // 730 h × 60 = 43,800 min at $0.08 per million; a heartbeat each 10 s: 262,800 of them.
    const costs = costsOfUsage({ connectedMinutes: 43_800, telemetryMessages: 0, samples: 0, heartbeats: 262_800 })
    expect(costs.connections).toBeCloseTo(0.003504, 9)
    expect(costs.messages).toBeCloseTo(0.2628, 9)
    // A rule and an action: 262,800 × $0.30 per million.
    expect(costs.rules).toBeCloseTo(0.07884, 9)
    // Sent one by one, received and deleted in tens: 1.2 requests at $0.40 per million.
    expect(costs.queues).toBeCloseTo(0.126144, 9)
    expect(costs.archive).toBe(0)
    expect(totalOf(costs)).toBeCloseTo(0.471288, 9)
  })

  it('of a million readings of 10 tags', () => {
    const costs = costsOfUsage({ connectedMinutes: 0, telemetryMessages: 1e6, samples: 1e7, heartbeats: 0 })
    expect(costs.messages).toBeCloseTo(1, 9)
    // Two rules and one action: $0.45. Three requests each: $1.20. 25 MB at $0.023 per GB.
    expect(costs.rules).toBeCloseTo(0.45, 9)
    expect(costs.queues).toBeCloseTo(1.2, 9)
    expect(costs.archive).toBeCloseTo(0.000575, 9)
    const together = costsOfUsage({ connectedMinutes: 0, telemetryMessages: 1e6, samples: 1e7, heartbeats: 0 }, 1000)
    expect(together.queues).toBeCloseTo(0.48, 9)
  })

  it('counts each 5 KB', () => {
    // 60 + 22 × 229 = 5,098 bytes; × 230 = 5,120; × 231 = 5,142.
    expect([1, 229, 230, 231, 256].map(payloadUnits)).toEqual([1, 1, 1, 2, 2])
  })
})

describe('a load', () => {
  it('is messages, samples, heartbeats and frames per second', () => {
    // 1,000 gateways, 50 tags each 5 s: 200 messages, 10,000 samples; 100 heartbeats. 100 browsers × (0.2 + 0.1) changes.
    expect(loadOf(fleet(1000))).toEqual({
      ...{ messages: 200, samples: 10_000, heartbeats: 100, samplesPerMessage: 50 },
      frames: expect.closeTo(30, 9) as number,
    })
  })

  it('sends as many messages as machines, and more where one does not hold the tags', () => {
    expect(loadOf({ ...fleet(1), machines: 10 })).toMatchObject({ messages: 2, samplesPerMessage: 5 })
    expect(loadOf({ ...fleet(1), tags: 600 })).toMatchObject({ messages: 0.6, samplesPerMessage: 200 })
    // At most ten frames a second to a browser.
    expect(loadOf({ ...fleet(10), machines: 50, intervalSec: 0.1 }).frames).toBe(10)
  })
})

describe('limits', () => {
  const limits = (gateways: number, profile: 'live' | 'bulk' = 'live') =>
    limitsOf(fleet(gateways), loadOf(fleet(gateways)), prod, profile, 45)
  const named = (gateways: number, text: string) => limits(gateways).find(({ what }) => what.includes(text))!

  it('are counted from the load', () => {
    // 2 vCPU × 3,000 × 0.7; 16 consumers × 10 messages in 11 ms; two rules per reading and one per heartbeat.
    expect(named(1000, 'Database: writes')).toMatchObject({ load: 200, limit: expect.closeTo(4200) as number })
    expect(named(1000, 'telemetry consumers').limit).toBeCloseTo(14_545.45, 1)
    expect(named(1000, 'rules evaluated').load).toBe(500)
    // 10,000 samples × 86,400 s × 30 days × 45 B = 1,166.4 GB.
    expect(named(1000, 'disk').load).toBeCloseTo(1166.4, 6)
    expect(gatewaysAt(named(1000, 'Database: writes'), 1000)).toBe(21_000)
    expect(gatewaysAt(named(1000, 'gateways connected'), 1000)).toBe(500_000)
  })

  it('come by what is met first, wherever the fleet stands', () => {
    for (const gateways of [10, 1000, 100_000]) {
      const met = limits(gateways).map((limit) => limit.load / limit.limit)
      expect(met).toEqual(met.toSorted((a, b) => b - a))
    }
    expect(limits(100_000)[0]!.what).toContain('disk')
    expect(limits(100_000).filter((limit) => limit.load > limit.limit).length).toBeGreaterThan(3)
    // What is said to do suffices.
    const { change } = named(100_000, 'Database: writes')
    const [, name] = /instanceType to (\S+) /.exec(change) as unknown as [string, 'm7g.4xlarge']
    expect(storedPerSecond(name, 'live')).toBeGreaterThanOrEqual(20_000)
  })

  it('name the smallest database that stores so much', () => {
    expect(classFor(4200, 'live')).toBe('m7g.large')
    expect(classFor(4201, 'live')).toBe('m7g.xlarge')
    expect(classFor(1e6, 'bulk')).toBeUndefined()
    expect(databaseFor(loadOf(fleet(1000)), prod, 'live')).toBe('m7g.large')
  })

  it('fill batches as messages come', () => {
    expect(batchOf(100, 10, 0, 16)).toBe(1)
    expect(batchOf(1600, 1000, 1, 16)).toBe(100)
    expect(batchOf(1e6, 1000, 1, 16)).toBe(1000)
  })
})

it('costs a fleet more the larger it is, each part of it, and less per gateway', () => {
  const costs = (gateways: number) => costsOf(fleet(gateways), loadOf(fleet(gateways)), prod, 'live')
  const [small, large] = [costs(100), costs(1000)]
  // m7g.large twice: 0.168 × 730 × 2. Two NAT gateways: 0.045 × 730 × 2, and 3 frames/s of 2 kB at $0.045 per GB.
  expect(small['Database (m7g.large)']).toBeCloseTo(245.28, 6)
  expect(small['NAT gateways']).toBeCloseTo(65.7 + (3 * MINUTES_PER_MONTH * 60 * 2000 * 0.045) / 1e9, 6)
  for (const [what, dollars] of Object.entries(small)) expect(large[what], what).toBeGreaterThanOrEqual(dollars)
  expect(totalOf(large) / 1000).toBeLessThan(totalOf(small) / 100)
})

it.each([
  ['10', '100', '1000', '100000'].map((gateways) => ['--gateways', gateways, '--tags', '50', '--interval', '5']),
])('prints a plan', (...runs) => {
  for (const argv of runs) {
    const lines = planOf(readFleet(argv)).join('\n')
    expect(lines).toContain('What binds first: Database: disk')
    expect(lines).not.toMatch(/NaN|undefined|Infinity/)
  }
})

it.each([
  [['--gateways', '0', '--tags', '5', '--interval', '1'], '--gateways must be a number from 1'],
  [['--tags', '5', '--interval', '1'], '--gateways must be'],
  [['--gateways', '1', '--tags', 'x', '--interval', '1'], '--tags must be'],
  [['--gateways', '1', '--tags', '5', '--interval', '0'], '--interval must be'],
  [['--gateways', '1', '--tags', '5', '--interval', '1', '--machines', '6'], '--machines must be a number from 1 to 5'],
  [['--gateways', '1', '--tags', '5', '--interval', '1', '--profile', 'fast'], '--profile is one of live, bulk'],
])('refuses %s', (argv, message) => {
  expect(() => readFleet(argv)).toThrow(message)
})
