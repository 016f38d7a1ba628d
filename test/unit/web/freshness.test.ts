import { createPinia, setActivePinia } from 'pinia'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { staleAfterMs, UNKNOWN_CADENCE, withReading } from '../../../web/src/live/cadence.ts'
import { useClock } from '../../../web/src/live/clock.ts'
import { conditionOf, countConditions, freshnessOf, readingTime } from '../../../web/src/live/freshness.ts'
import { machineView, mergeMachine } from '../../../web/src/live/machine-view.ts'
import type { LiveMachine } from '../../../schemas/live.ts'
import { gateway, machine } from './live-fixtures.ts'

afterEach(() => void vi.useRealTimers())

/** The machine after readings 1 to `count`, one a second; the last is of 1,000,000 + count seconds. */
function afterReadings(count: number) {
  let view = machineView(machine(1, 1))
  for (let seq = 2; seq <= count; seq += 1) view = mergeMachine(view, machine(1, seq))
  return view
}

function withValues(
  values: NonNullable<LiveMachine['state']>['values'],
  quality?: Record<string, 'bad' | 'uncertain'>,
) {
  const given = machine(1, 1)
  return machineView({ ...given, state: { ...given.state!, values, ...(quality && { quality }) } })
}

const NOW = 1_001_000

describe('cadence', () => {
  it('counts as stale after 3 intervals, but not before 30 s, the 3 of a steady machine', () => {
    expect(staleAfterMs(UNKNOWN_CADENCE)).toBe(30_000)
    expect(staleAfterMs(withReading(UNKNOWN_CADENCE, 100))).toBe(30_000)
    expect(staleAfterMs(withReading(UNKNOWN_CADENCE, 20_000))).toBe(60_000)
  })

  it('is not disturbed by one outage', () => {
    let cadence = UNKNOWN_CADENCE
    for (const gap of [20_000, 20_000, 600_000, 20_000]) cadence = withReading(cadence, gap)
    expect(staleAfterMs(cadence)).toBe(60_000)
  })
})

describe('freshness', () => {
  it('goes stale by the clock alone, within a second', () => {
    vi.useFakeTimers({ now: 1_037_500 })
    setActivePinia(createPinia())
    const clock = useClock()
    const stop = clock.start()
    const view = afterReadings(10)
    const fresh = () => freshnessOf({ timestamp: view.state!.timestamp, cadence: view.cadence }, undefined, clock.now)
    vi.advanceTimersByTime(2_000)
    expect(fresh()).toBe('fresh')
    vi.advanceTimersByTime(1_000)
    expect(fresh()).toBe('stale')
    stop()
  })

  it('is kept up by a steady machine that reports by exception, every 10 s', () => {
    const view = afterReadings(10)
    const reading = { timestamp: view.state!.timestamp, cadence: view.cadence }
    expect(freshnessOf(reading, undefined, reading.timestamp + 10_000 + 2_000)).toBe('fresh')
  })

  it('is cut off when the gateway is offline, however young the value', () => {
    const view = afterReadings(3)
    const reading = { timestamp: view.state!.timestamp, cadence: view.cadence }
    expect(freshnessOf(reading, gateway('gw-1', 1, 'offline'), view.state!.timestamp)).toBe('offline')
  })

  it('allows for a gateway whose clock is wrong', () => {
    expect(readingTime(1_000, { ...gateway('gw-1', 1), clockSkewMs: 90_000 })).toBe(91_000)
    expect(readingTime(1_000, { ...gateway('gw-1', 1), clockSkewMs: 800 })).toBe(1_000)
  })
})

it('corrects a computer’s clock by the server’s', () => {
  vi.useFakeTimers({ now: 5_000_000 })
  setActivePinia(createPinia())
  const clock = useClock()
  clock.correct(5_001_000, 5_000_000)
  expect(clock.now).toBe(5_000_000)
  clock.correct(5_600_000, 5_000_000)
  expect(clock.now).toBe(5_600_000)
})

it('does not set a right clock back by an answer that was on its way while the computer slept', () => {
  vi.useFakeTimers({ now: 5_000_000 })
  setActivePinia(createPinia())
  const clock = useClock()
  const askedAt = Date.now()
  vi.setSystemTime(12_000_000)
  clock.correct(5_001_000, askedAt)
  expect(clock.now).toBe(12_000_000)
  clock.correct(11_000_000, Date.now())
  clock.correct(4_200_000, askedAt)
  expect(clock.now).toBe(11_000_000)
})

describe('condition', () => {
  it.each([
    ['running', { running: true, state: 'STOP' }],
    ['stopped', { running: false }],
    ['running', { state: 'RUN' }],
    ['stopped', { state: 'detenida' }],
    ['reporting', { state: 'FAULT 7' }],
    ['reporting', { running: 1, temperature: 3 }],
    ['bad', { a: null, b: null }],
  ] as const)('is %s for %o', (condition, values) => {
    expect(conditionOf(withValues(values), undefined, NOW)).toBe(condition)
  })

  it('does not believe a run state of bad quality', () => {
    expect(conditionOf(withValues({ running: true, t: 1 }, { running: 'bad' }), undefined, NOW)).toBe('reporting')
  })

  it('is silent before the first reading', () => {
    expect(conditionOf(machineView(machine(1, null)), undefined, NOW)).toBe('silent')
  })

  it('counts running and stopped always, the others when there are any', () => {
    expect(countConditions(['stale', 'running', 'stale'])).toEqual([
      { condition: 'running', count: 1 },
      { condition: 'stopped', count: 0 },
      { condition: 'stale', count: 2 },
    ])
  })
})
