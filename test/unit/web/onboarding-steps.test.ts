import { expect, it } from 'vitest'
import type { Gateway, Machine } from '../../../schemas/api.ts'
import { stepStates, stepsTaken } from '../../../web/src/components/onboarding/onboarding-steps.ts'
import { gateway, machine } from './live-fixtures.ts'

const health = { internet: 'up', mqtt: 'up', plcLink: 'up', buffer: { mode: 'normal', queuedMessages: 0 } }
const of = (lifecycle: Gateway['lifecycle']) => ({ ...gateway('gw-1', 1), lifecycle, health }) as Gateway
const NONE = { enrolled: false, connected: false, heartbeat: false, reading: false, machine: false }

it('what a gateway had sent before it was revoked and enrolled anew counts for nothing', () => {
  const machines = [machine(1, 1) as Machine]
  expect(stepsTaken(of('revoked'), machines)).toEqual(NONE)
  expect(stepsTaken(of('enrolled'), machines)).toEqual({ ...NONE, enrolled: true })
  expect(Object.values(stepsTaken(of('active'), machines))).toEqual([true, true, true, true, true])
  expect(stepsTaken(of('active'), [])).toMatchObject({ heartbeat: true, reading: false, machine: false })
})

it('a step waits since the one before it came, and not before that', () => {
  const came = new Map([['enrolled', 1_000]] as const)
  const waits = (taken: Partial<typeof NONE>) =>
    stepStates({ ...NONE, ...taken }, came, 500).map(({ waitsSince }) => waitsSince)
  expect(waits({})).toEqual([500, undefined, undefined, undefined, undefined])
  expect(waits({ enrolled: true })).toEqual([undefined, 1_000, undefined, undefined, undefined])
})
