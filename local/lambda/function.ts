/** A Lambda function of the template: its instances, made on demand, and its log. */
import { randomUUID } from 'node:crypto'
import { Instance } from './instance.ts'

export interface FunctionSettings {
  name: string
  arn: string
  /** The bundle's file. */
  file: string
  exportName: string
  environment: Record<string, string>
  memoryMb: number
  timeoutSec: number
  /** Reserved concurrency of the template, else the local bound. */
  maxInstances: number
}

export interface InvokeResult {
  /** `Unhandled` when the function threw, timed out or died; `payload` then says why. */
  functionError?: 'Unhandled'
  payload: unknown
}

/** Hears of each invocation that is over. */
type OnInvoked = (durationMs: number, hasFailed: boolean) => void

/** An instance with nothing to do is ended after so long: the last one as Lambda does, those beside it sooner. */
const IDLE_MS = { last: 5 * 60_000, surplus: 60_000 }

export class LambdaFunction {
  readonly settings: FunctionSettings
  readonly #onLine: (line: string) => void
  readonly #onInvoked: OnInvoked
  /** Each with the timer that ends it. */
  readonly #idle = new Map<Instance, NodeJS.Timeout>()
  readonly #all = new Set<Instance>()
  readonly #waiting: ((instance: Instance) => void)[] = []
  #stopped = false

  constructor(settings: FunctionSettings, onLine: (line: string) => void, onInvoked: OnInvoked = () => undefined) {
    this.settings = settings
    this.#onLine = onLine
    this.#onInvoked = onInvoked
  }

  /** Never rejects; waits for a free instance when all that may exist are busy. */
  async invoke(event: unknown): Promise<InvokeResult> {
    if (this.#stopped)
      return {
        functionError: 'Unhandled',
        payload: { errorType: 'Stopped', errorMessage: 'The local cloud is stopping.' },
      }
    const requestId = randomUUID()
    const instance = await this.#take()
    const began = performance.now()
    const result = await instance.run(event, requestId)
    this.#onInvoked(performance.now() - began, result.functionError !== undefined)
    if (result.functionError) this.#onLine(`ERROR RequestId: ${requestId} ${JSON.stringify(result.payload)}`)
    this.#release(instance)
    return result
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all([...this.#all].map((instance) => instance.end()))
  }

  async #take(): Promise<Instance> {
    // The last used first, so that surplus ones stay idle until they are ended.
    for (const [instance, timer] of [...this.#idle].reverse()) {
      clearTimeout(timer)
      this.#idle.delete(instance)
      if (instance.isAlive) return instance
      this.#all.delete(instance)
    }
    if (this.#all.size < this.settings.maxInstances) return this.#create()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #create(): Instance {
    const instance = new Instance(this.settings, this.#onLine)
    this.#all.add(instance)
    return instance
  }

  #release(instance: Instance): void {
    if (!instance.isAlive) this.#all.delete(instance)
    const next = this.#waiting.shift()
    if (next) next(instance.isAlive || this.#stopped ? instance : this.#create())
    else if (instance.isAlive)
      this.#idle.set(instance, setTimeout(() => this.#retire(instance), IDLE_MS.surplus).unref())
  }

  #retire(instance: Instance, asLast = false): void {
    if (this.#all.size === 1 && !asLast) {
      const longer = setTimeout(() => this.#retire(instance, true), IDLE_MS.last - IDLE_MS.surplus).unref()
      this.#idle.set(instance, longer)
      return
    }
    this.#idle.delete(instance)
    this.#all.delete(instance)
    void instance.end()
  }
}
