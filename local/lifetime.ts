/** What has been started, so that it can be stopped in the opposite order, at any moment. */
export class Lifetime {
  readonly #stops: { name: string; stop: () => unknown }[] = []
  readonly #controller = new AbortController()
  #ended: Promise<void> | undefined

  /** Aborted when the end comes, for what can be given up half-way. */
  readonly signal = this.#controller.signal

  /** When the end has come while this was starting, it is stopped at once. */
  async own<T>(name: string, started: T | Promise<T>, stop: (thing: T) => unknown): Promise<T> {
    const thing = await started
    if (this.#ended) {
      await stop(thing)
      throw new Error(`${name}: stopped while it was starting`)
    }
    this.#stops.push({ name, stop: () => stop(thing) })
    return thing
  }

  /** Stops everything, newest first. One that fails does not keep the others from stopping; all failures are thrown then. */
  end(): Promise<void> {
    this.#ended ??= this.#stopAll()
    return this.#ended
  }

  async #stopAll(): Promise<void> {
    this.#controller.abort()
    const failures: unknown[] = []
    for (let next = this.#stops.pop(); next; next = this.#stops.pop()) {
      try {
        await next.stop()
      } catch (cause) {
        failures.push(new Error(`${next.name} did not stop`, { cause }))
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('; '))
  }
}
