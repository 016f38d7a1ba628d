/** A unit that was sent is sent again after this, for a cloud that has not kept it. */
export const UNITS_AGAIN_MS = 60_000

/** Which units go with a message: that of each tag with the tag's first message after the start, then once a minute. */
export class UnitReminder {
  readonly #units: ReadonlyMap<string, string>
  readonly #sentAt = new Map<string, number>()

  constructor(tags: readonly { name: string; unit?: string | undefined }[]) {
    this.#units = new Map(tags.flatMap(({ name, unit }) => (unit === undefined ? [] : [[name, unit]])))
  }

  /** Tag -> unit for a message of these tags that is sent now (`nowMs` on the monotonic clock); they then count as sent. */
  due(tags: Iterable<string>, nowMs: number): ReadonlyMap<string, string> {
    const due = new Map<string, string>()
    for (const tag of tags) {
      const unit = this.#units.get(tag)
      if (unit === undefined || nowMs - (this.#sentAt.get(tag) ?? -Infinity) < UNITS_AGAIN_MS) continue
      due.set(tag, unit)
      this.#sentAt.set(tag, nowMs)
    }
    return due
  }
}
