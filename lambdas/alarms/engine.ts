/**
 * What becomes of one condition at one source, step by step: (state, what holds, when) -> (state, transitions). Pure, and all of it:
 * ingest, the sweep and the trial of a rule run this.
 *
 * A value holds until the next one (dead-bands make tags silent while they do not change), so only two things happen: the
 * condition begins or ceases to hold at some reading, and time passes. A delay is over when the source's clock says so,
 * whoever tells the time, a later reading of the machine or the sweep: the transition bears the moment at which the delay was over,
 * and is the same however late that is noticed.
 */
import type { Scalar } from '../../schemas/telemetry.ts'

export interface Delays {
  delayOnMs: number
  delayOffMs: number
}

/**
 * Undefined: normal. `pending`: it holds since `since`, and the delay on runs. `active`: it is an alarm since `since`; with
 * `endingSince` it has ceased to hold, and the delay off runs. `value`: of the reading at which it began to hold.
 */
export type State =
  | { phase: 'pending'; since: number; value: Scalar }
  | { phase: 'active'; since: number; endingSince: number | null; value: Scalar }
  | undefined

/** `at`: epoch ms of the source's clock. */
export interface Transition {
  type: 'raised' | 'cleared'
  at: number
  value: Scalar
}

/** Time has come to `now`: delays that are over by then take effect. The very same state when nothing does. */
export function advance(delays: Delays, state: State, now: number, happened: Transition[]): State {
  if (state === undefined) return state
  if (state.phase === 'pending') {
    const at = state.since + delays.delayOnMs
    if (at > now) return state
    happened.push({ type: 'raised', at, value: state.value })
    return { phase: 'active', since: at, endingSince: null, value: state.value }
  }
  if (state.endingSince === null || state.endingSince + delays.delayOffMs > now) return state
  happened.push({ type: 'cleared', at: state.endingSince + delays.delayOffMs, value: state.value })
  return undefined
}

/**
 * At `at` the condition holds, or does not. Undefined: the reading says nothing of it, and what was goes on. Time must have been
 * advanced to `at`.
 */
export function step(
  delays: Delays,
  state: State,
  holds: boolean | undefined,
  { at, value }: { at: number; value: Scalar },
  happened: Transition[],
): State {
  if (holds === undefined) return state
  if (state === undefined) {
    if (!holds) return state
    return advance(delays, { phase: 'pending', since: at, value }, at, happened)
  }
  if (state.phase === 'pending') return holds ? state : undefined
  if (holds) return state.endingSince === null ? state : { ...state, endingSince: null }
  if (state.endingSince !== null) return state
  // Raised by the clock a moment after the reading that ends it was taken: it has lasted no time.
  const endingSince = Math.max(at, state.since)
  return advance(delays, { ...state, endingSince }, at, happened)
}
