import fc from 'fast-check'
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MAX_TRENDS, TREND, type Trends, type TrendsOf } from '../../../schemas/api.ts'
import { useLiveStore } from '../../../web/src/live/live-store.ts'
import { createPastTrends } from '../../../web/src/live/past-trends.ts'
import { applyPastTrends } from '../../../web/src/live/plant-picture.ts'
import { withPoint, type TrendPoint } from '../../../web/src/live/trend.ts'
import { frames, machine, machineId, PLANT } from './live-fixtures.ts'

const { stepMs, steps } = TREND
const stepOf = (at: number) => Math.floor(at / stepMs)
const settled = () => vi.advanceTimersByTimeAsync(0)

beforeEach(() => {
  setActivePinia(createPinia())
  vi.useFakeTimers()
})
afterEach(() => void vi.useRealTimers())

describe('trend', () => {
  it('keeps ten minutes, one point in a step', () => {
    let trend: readonly TrendPoint[] = []
    for (let second = 0; second < 1_200; second += 1) trend = withPoint(trend, second * 1_000, second)
    expect(trend).toHaveLength(steps)
    expect(trend.at(-1)).toEqual([1_190_000, 1_190])
    expect(trend[0]![0]).toBe(600_000)
  })

  it('does not go back in time', () => {
    const trend: TrendPoint[] = [[10_000, 1]]
    expect(withPoint(trend, 9_000, 5)).toBe(trend)
  })

  const op = fc.oneof(
    fc.record({ kind: fc.constant('read' as const), afterSec: fc.integer({ min: 1, max: 400 }) }),
    // The API may be ahead of the page or behind it, and does not know every step.
    fc.record({
      kind: fc.constant('past' as const),
      aheadSec: fc.integer({ min: -700, max: 30 }),
      known: fc.array(fc.boolean(), { minLength: steps, maxLength: steps }),
    }),
  )

  it('is what was heard and, where nothing was, what the API knows: in order, a point a step, nothing twice', () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 12 }), (ops) => {
        setActivePinia(createPinia())
        const store = useLiveStore()
        const picture = store.watchPlant(PLANT)
        let version = 1
        let seq = 1
        const read = (type: 'snapshot' | 'delta') =>
          frames(type, version++, [machine(1, seq, { t: seq })]).forEach((frame) => store.receive(frame, 0))
        read('snapshot')
        const shown = () => picture.machines.value.get(machineId(1))!.value
        const now = () => shown().state!.timestamp
        const heard = new Map([[stepOf(now()), seq]])
        const fetched = new Map<number, number>()
        for (const each of ops) {
          if (each.kind === 'read') {
            seq += each.afterSec
            read('delta')
            if (!heard.has(stepOf(now()))) heard.set(stepOf(now()), seq)
          } else {
            const last = stepOf(now() + each.aheadSec * 1000)
            const values = each.known.map((known, index) => (known ? last - steps + 1 + index + 0.5 : null))
            for (const value of values)
              if (value !== null && Math.floor(value) < stepOf(now())) fetched.set(Math.floor(value), value)
            const from = (last - steps + 1) * stepMs
            applyPastTrends(picture, [{ machineId: machineId(1), from, values: { t: values, unknown: values } }])
          }
        }
        const { trend } = shown().tags.get('t')!
        const timeOf = (step: number) => (heard.has(step) ? 1_000_000 + heard.get(step)! * 1000 : step * stepMs)
        const oldest = timeOf(stepOf(now())) - steps * stepMs
        const expected = [...new Set([...heard.keys(), ...fetched.keys()])]
          .filter((step) => timeOf(step) > oldest)
          .toSorted((a, b) => a - b)
          .map((step) => [timeOf(step), heard.get(step) ?? fetched.get(step)])
        expect(trend).toEqual(expected)
        expect([...shown().tags.keys()]).toEqual(['t'])
      }),
      { numRuns: 500 },
    )
  })
})

describe('trends from before the page was opened', () => {
  function loader() {
    const asked: TrendsOf['machines'][] = []
    const answers: { resolve(items: Trends['items']): void; reject(error: Error): void }[] = []
    const applied: Trends['items'][] = []
    const trends = createPastTrends(
      (machines) => {
        asked.push(machines)
        return new Promise((resolve, reject) => answers.push({ resolve, reject }))
      },
      (items) => applied.push(items),
    )
    const answer = async (items: Trends['items'] = []) => {
      answers.shift()!.resolve(items)
      await vi.advanceTimersByTimeAsync(1_000)
    }
    return { trends, asked, answers, applied, answer }
  }
  const series = (n: number, ...tags: string[]) => ({ machineId: machineId(n), tags })

  it('are asked for once, together, and one question after the other', async () => {
    const { trends, asked, applied, answer } = loader()
    trends.show(series(1, 'a', 'b'))
    trends.show(series(2, 'a'))
    await settled()
    expect(asked).toEqual([[series(1, 'a', 'b'), series(2, 'a')]])
    trends.show(series(3, 'a'))
    trends.show(series(1, 'b', 'c'))
    const gone = trends.show(series(4, 'a'))
    await vi.advanceTimersByTimeAsync(5_000)
    expect(asked).toHaveLength(1)
    gone()
    const items = [{ machineId: machineId(1), from: 0, values: { a: [1] } }]
    await answer(items)
    expect(applied).toEqual([items])
    expect(asked[1]).toEqual([series(3, 'a'), series(1, 'c')])
    await answer()
    expect(asked).toHaveLength(2)
  })

  it('are asked for in parts where there are more than one question may name', async () => {
    const { trends, asked, answer } = loader()
    const tags = Array.from({ length: MAX_TRENDS - 1 }, (_, n) => `t-${n}`)
    trends.show(series(1, ...tags))
    trends.show(series(2, 'a', 'b'))
    await settled()
    await answer()
    await answer()
    expect(asked).toEqual([[series(1, ...tags), series(2, 'a')], [series(2, 'b')]])
  })

  it('are asked for again after a failure, and when nothing was heard for a while', async () => {
    const { trends, asked, answers, answer } = loader()
    trends.show(series(1, 'a'))
    await settled()
    answers.shift()!.reject(new Error('no network'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(asked).toHaveLength(2)
    await answer()
    trends.fetchAgain()
    await settled()
    expect(asked).toEqual([[series(1, 'a')], [series(1, 'a')], [series(1, 'a')]])
    await answer()
    trends.stop()
    trends.fetchAgain()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(asked).toHaveLength(3)
  })
})
