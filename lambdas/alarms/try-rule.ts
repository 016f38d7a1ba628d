/** A rule over what was stored, by the engine itself: how often it would have been raised. Bounded; says so when that was not all. */
import type { AlarmTrial } from '../../schemas/alarm-requests.ts'
import type { Quality, Scalar } from '../../schemas/telemetry.ts'
import { advance, type State, step, type Transition } from './engine.ts'
import { evaluate, keyOf, type Place } from './evaluate.ts'
import { machineRules } from './machine-rules.ts'
import type { Sample } from './judge.ts'
import type { Rule } from './rule.ts'

interface Reading {
  ts: number
  seq: number
  values: Record<string, Scalar>
  quality: Record<string, Quality> | null
}

export type Raised = AlarmTrial['items'][number]

/** Of one machine, page by page in the order of (ts, seq). `isEnough` stops after a page. */
export async function tryOnMachine(
  rule: Rule,
  machine: { machineId: string; plantId: string; slug: string },
  pages: AsyncIterable<Reading[]>,
  { from, to, isEnough }: { from: number; to: number; isEnough: (readings: number) => boolean },
): Promise<Raised[]> {
  const { machineId, slug } = machine
  const rules = machineRules([rule], machine)
  const isSilence = rule.condition.kind === 'no_data'
  const found = episodes({ machine: slug, thingName: null })
  const before = {
    newest: undefined as Place | undefined,
    states: new Map<string, Exclude<State, undefined>>(),
    samples: new Map<string, Sample>(),
  }
  let [heardAt, silence]: [number, State] = [from, undefined]
  for await (const page of pages) {
    if (isSilence) {
      for (const { ts } of page) {
        silence = silenceUntil(rule, silence, heardAt, ts, found)
        heardAt = ts
      }
    } else {
      const readings = page.map(({ ts, quality, ...reading }) => ({
        ...{ ...reading, timestamp: ts, receivedAt: ts },
        ...(quality && { quality }),
      }))
      for (const { source, tag, state, transitions } of evaluate(machineId, rules, before, readings).changes) {
        const key = keyOf(rule.ruleId, source)
        if (state === undefined) before.states.delete(key)
        else before.states.set(key, state)
        found.add(tag, transitions)
      }
      const last = page.at(-1)
      if (last !== undefined) before.newest = { timestamp: last.ts, seq: last.seq }
    }
    if (isEnough(page.length)) return found.all()
  }
  if (isSilence) silenceUntil(rule, silence, heardAt, to, found)
  for (const [key, state] of before.states) {
    const happened: Transition[] = []
    advance(rule, state, to, happened)
    const source = key.slice(rule.ruleId.length + 1)
    found.add(source.slice(machineId.length + 1), happened)
  }
  return found.all()
}

/** Nothing was heard from `heardAt` until `at`, when it was, or when the trial ends. */
function silenceUntil(
  rule: Rule,
  before: State,
  heardAt: number,
  at: number,
  found: ReturnType<typeof episodes>,
): State {
  if (rule.condition.kind !== 'no_data') return before
  const happened: Transition[] = []
  const dueAt = heardAt + rule.condition.forMs
  let state = advance(rule, before, Math.min(dueAt, at), happened)
  if (dueAt < at) {
    state = step(rule, state, true, { at: dueAt, value: null }, happened)
    state = advance(rule, state, at, happened)
    state = step(rule, state, false, { at, value: null }, happened)
  }
  found.add(null, happened)
  return state
}

/** Puts raised and cleared together, by tag. */
export function episodes(about: Pick<Raised, 'machine' | 'thingName'>) {
  const items: Raised[] = []
  const open = new Map<string | null, Raised>()
  return {
    add(tag: string | null, transitions: Transition[]) {
      for (const { type, at, value } of transitions) {
        if (type === 'raised') {
          const item: Raised = { ...about, tag, raisedAt: at, clearedAt: null, value }
          items.push(item)
          open.set(tag, item)
        } else {
          const item = open.get(tag)
          if (item !== undefined) item.clearedAt = at
          open.delete(tag)
        }
      }
    },
    all: () => items,
  }
}
