import type { Condition } from '../live/freshness.ts'

/** A machine in a list of a plant's machines. */
export interface PlantRow {
  readonly machineId: string
  readonly slug: string
  /** As people read it. */
  readonly name: string
  readonly condition: Condition
}
