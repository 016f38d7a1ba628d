import type { Gateway, Machine } from '../../../../schemas/api.ts'

export const STEPS = ['enrolled', 'connected', 'heartbeat', 'reading', 'machine'] as const
export type Step = (typeof STEPS)[number]

export interface StepState {
  readonly step: Step
  readonly done: boolean
  /** Since when it could have come: the moment the step before it came. Undefined while that one has not. */
  readonly waitsSince: number | undefined
}

/** A step that has not come for so long says what to check. */
export const HELP_AFTER_MS = 60_000

/** Which steps a gateway has taken since its last enrolment, as far as the API tells. */
export function stepsTaken(gateway: Gateway, machines: readonly Machine[]): Record<Step, boolean> {
  const own = machines.filter(({ thingName }) => thingName === gateway.thingName)
  const isHeard = gateway.lifecycle === 'active' || gateway.lifecycle === 'rotating'
  return {
    enrolled: gateway.lifecycle === 'enrolled' || isHeard,
    connected: isHeard,
    heartbeat: isHeard && gateway.health !== null,
    reading: isHeard && own.some(({ state }) => state !== null),
    machine: isHeard && own.length > 0,
  }
}

/** The steps in their order. `came` remembers when each was first seen, so that each has its own minute. */
export function stepStates(
  taken: Record<Step, boolean>,
  came: ReadonlyMap<Step, number>,
  beganAt: number,
): StepState[] {
  return STEPS.map((step, index) => {
    const before = STEPS[index - 1]
    const isFree = before === undefined || taken[before]
    const waitsSince =
      taken[step] || !isFree ? undefined : before === undefined ? beganAt : (came.get(before) ?? beganAt)
    return { step, done: taken[step], waitsSince }
  })
}
