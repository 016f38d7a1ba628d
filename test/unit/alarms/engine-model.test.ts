/**
 * The alarm engine against a model that knows nothing of it: a clock that ticks, and looks each tick at what is true. Readings come
 * repeated, late, in any order and in batches cut anywhere.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evaluate, isAfter, keyOf, LATE_AFTER_MS, type LateNote, type Place } from '../../../lambdas/alarms/evaluate.ts'
import type { State, Transition } from '../../../lambdas/alarms/engine.ts'
import { machineRules } from '../../../lambdas/alarms/machine-rules.ts'
import type { Rule } from '../../../lambdas/alarms/rule.ts'
import type { AlarmCondition } from '../../../schemas/alarms.ts'
import type { Scalar } from '../../../schemas/telemetry.ts'

const RUNS = Number(process.env['ALARM_RUNS'] ?? 2_000)
const START = 1_760_000_000_000
const LAST_TICK = 60
const MACHINE = '01890a5d-ac96-774b-bcce-b302099a8057'

interface Reading {
  tick: number
  seq: number
  value: Scalar
  /** Ticks between the reading and the broker. */
  delayed: number
}

const limited: fc.Arbitrary<AlarmCondition> = fc.oneof(
  fc.record({ kind: fc.constant('above' as const), limit: fc.constant(5), hysteresis: fc.nat(3) }),
  fc.record({ kind: fc.constant('below' as const), limit: fc.constant(5), hysteresis: fc.nat(3) }),
  fc.record({
    kind: fc.constant('outside' as const),
    low: fc.constant(3),
    high: fc.constant(7),
    hysteresis: fc.nat(1),
  }),
  fc.constant({ kind: 'equals' as const, value: 5 }),
  fc.constant({ kind: 'quality_bad' as const }),
)
const delays = fc.record({ delayOnMs: fc.nat(8), delayOffMs: fc.nat(8) })
const LONG_AGO = LATE_AFTER_MS + 1
const values = fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 0, max: 10 }) }, fc.constant(null))
const readings = fc
  .array(
    fc.record({
      tick: fc.integer({ min: 0, max: LAST_TICK }),
      value: values,
      delayed: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.constant(LONG_AGO)),
    }),
    { maxLength: 40 },
  )
  .map((drawn): Reading[] => drawn.toSorted((a, b) => a.tick - b.tick).map((one, seq) => ({ ...one, seq })))

const ruleOf = (
  condition: AlarmCondition,
  { delayOnMs, delayOffMs }: { delayOnMs: number; delayOffMs: number },
): Rule => ({
  ...{ ruleId: 'rule', version: 1, tenantId: 'tenant', plantId: null, name: 'rule', machine: 'press-*', tag: 'heat' },
  ...{ condition, delayOnMs, delayOffMs, message: null },
})

interface Outcome {
  transitions: Transition[]
  /** Late readings by what they say: number, first and last tick, value at the first. */
  late: [count: number, from: number, to: number, value: Scalar][]
}

/** As ingest does it: what was stored before is not new, and what holds is kept between batches. */
function deliver(rule: Rule, batches: Reading[][]): Outcome {
  const rules = machineRules([rule], { plantId: 'plant', slug: 'press-1' })
  const source = `${MACHINE}/heat`
  const stored = new Set<number>()
  let newest: Place | undefined
  let state: State
  const transitions: Transition[] = []
  const late: LateNote[] = []
  for (const batch of batches) {
    const fresh = batch.filter(
      ({ seq }, index) => !stored.has(seq) && batch.findIndex((one) => one.seq === seq) === index,
    )
    for (const { seq } of fresh) stored.add(seq)
    const asSent = fresh.map(({ tick, seq, value, delayed }) => ({
      ...{ timestamp: START + tick, seq, receivedAt: START + tick + delayed, values: { heat: value, other: 1 } },
    }))
    const states = new Map(state === undefined ? [] : [[keyOf('rule', source), state]])
    const found = evaluate(MACHINE, rules, { newest, states, samples: new Map() }, asSent)
    expect(found.changes.length).toBeLessThanOrEqual(1)
    for (const change of found.changes) {
      state = change.state
      transitions.push(...change.transitions)
    }
    late.push(...found.late)
    for (const one of asSent) if (newest === undefined || isAfter(one, newest)) newest = one
  }
  return {
    transitions: transitions.map((one) => ({ ...one, at: one.at - START })),
    late: sumUp(late.map(({ count, from, to, value }) => [count, from - START, to - START, value])),
  }
}

/** All are of one hour. */
function sumUp(notes: Outcome['late']): Outcome['late'] {
  if (notes.length === 0) return []
  const first = notes.reduce((one, two) => (two[1] < one[1] ? two : one))
  return [
    [notes.reduce((sum, [count]) => sum + count, 0), first[1], Math.max(...notes.map(([, , to]) => to)), first[3]],
  ]
}

function isWrong(condition: AlarmCondition, value: Scalar, isAlarm: boolean): boolean | 'unknown' {
  if (condition.kind === 'quality_bad') return value === null
  if (value === null) return 'unknown'
  const number = value as number
  switch (condition.kind) {
    case 'above':
      return isAlarm ? number + condition.hysteresis > condition.limit : number > condition.limit
    case 'below':
      return isAlarm ? number - condition.hysteresis < condition.limit : number < condition.limit
    case 'outside':
      return isAlarm
        ? number - condition.hysteresis < condition.low || number + condition.hysteresis > condition.high
        : number < condition.low || number > condition.high
    default:
      return number === (condition as { value: number }).value
  }
}

/** Tick by tick over what was news when it came; what was not is only counted. */
function model({ condition, delayOnMs, delayOffMs }: Rule, batches: Reading[][]): Outcome {
  const seen = new Set<number>()
  const transitions: Transition[] = []
  const late: Outcome['late'] = []
  let now = -1
  let newest = { tick: -1, seq: -1 }
  let wrong: { since: number; value: Scalar } | undefined
  let rightSince: number | undefined
  let alarm: { since: number; value: Scalar } | undefined
  const tick = () => {
    if (alarm === undefined && wrong !== undefined && now - wrong.since >= delayOnMs) {
      alarm = { since: now, value: wrong.value }
      transitions.push({ type: 'raised', at: now, value: wrong.value })
    }
    if (alarm !== undefined && rightSince !== undefined && now - rightSince >= delayOffMs) {
      transitions.push({ type: 'cleared', at: now, value: alarm.value })
      alarm = wrong = rightSince = undefined
    }
  }
  for (const batch of batches) {
    for (const { tick: at, seq, value, delayed } of batch.toSorted((a, b) => a.seq - b.seq)) {
      if (seen.has(seq)) continue
      seen.add(seq)
      const isNews = at > newest.tick || (at === newest.tick && seq > newest.seq)
      if (isNews) newest = { tick: at, seq }
      if (!isNews || delayed > LATE_AFTER_MS) {
        const known = alarm ?? wrong
        if (isWrong(condition, value, false) === true && !(known !== undefined && at >= known.since))
          late.push([1, at, at, value])
        continue
      }
      while (now < at) {
        now += 1
        tick()
      }
      const is = isWrong(condition, value, alarm !== undefined)
      if (is === true) {
        wrong ??= { since: at, value }
        rightSince = undefined
      } else if (is === false) {
        if (alarm === undefined) wrong = undefined
        else rightSince ??= at
      }
      tick()
    }
  }
  return { transitions, late: sumUp(late) }
}

/** Cuts a list anywhere. */
const cut = <Item>(items: Item[], cuts: number[]): Item[][] => {
  const places = [...new Set(cuts.map((at) => at % (items.length + 1)))].toSorted((a, b) => a - b)
  return [0, ...places].map((from, index) => items.slice(from, places[index] ?? items.length))
}

describe('the alarm engine', () => {
  it('raises and clears what the model does, whatever comes twice, late, reordered, and however batches are cut', () => {
    fc.assert(
      fc.property(
        ...([limited, delays, readings, fc.array(fc.nat()), fc.infiniteStream(fc.nat())] as const),
        (condition, delay, taken, cuts, chance) => {
          const rule = ruleOf(condition, delay)
          const draw = (below: number) => (chance.next().value as number) % below
          const sent = taken.flatMap((reading) => (draw(4) === 0 ? [reading, reading] : [reading]))
          // Some swap places with one near them, some come far too late.
          for (const place of sent.keys()) {
            if (draw(3) > 0) continue
            const other = Math.min(sent.length - 1, place + draw(draw(5) === 0 ? 40 : 3))
            ;[sent[place], sent[other]] = [sent[other]!, sent[place]!]
          }
          const batches = cut(sent, cuts)
          expect(deliver(rule, batches)).toEqual(model(rule, batches))
        },
      ),
      { numRuns: RUNS },
    )
  })

  it('comes to the same alarms in order, one by one, all at once, or with everything twice', () => {
    fc.assert(
      fc.property(limited, delays, readings, fc.array(fc.nat()), (condition, delay, taken, cuts) => {
        const rule = ruleOf(condition, delay)
        const oneByOne = deliver(
          rule,
          taken.map((reading) => [reading]),
        )
        expect(deliver(rule, [taken.toReversed()])).toEqual(oneByOne)
        const twice = cut(taken, cuts).flatMap((batch) => [batch, batch.toReversed()])
        expect(deliver(rule, twice)).toEqual(oneByOne)
      }),
      { numRuns: RUNS },
    )
  })

  it('has at most one alarm open, which ends before the next begins', () => {
    fc.assert(
      fc.property(limited, delays, readings, (condition, delay, taken) => {
        const { transitions } = deliver(ruleOf(condition, delay), [taken])
        for (const [index, { type, at }] of transitions.entries()) {
          expect(type).toBe(index % 2 === 0 ? 'raised' : 'cleared')
          if (index > 0) expect(at).toBeGreaterThanOrEqual(transitions[index - 1]!.at)
        }
      }),
      { numRuns: RUNS },
    )
  })
})
