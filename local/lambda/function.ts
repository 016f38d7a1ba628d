/** A Lambda function of the template: its instances, made on demand, and its log. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
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

/** An instance beyond the first is ended when it had nothing to do for so long. */
const SURPLUS_IDLE_MS = 60_000

export class LambdaFunction {
  readonly settings: FunctionSettings
  readonly #onLine: (line: string) => void
  readonly #idle: Instance[] = []
  readonly #all = new Set<Instance>()
  readonly #waiting: ((instance: Instance) => void)[] = []
  #stopped = false

  constructor(settings: FunctionSettings, onLine: (line: string) => void) {
    this.settings = settings
    this.#onLine = onLine
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
    const result = await instance.run(event, requestId)
    if (result.functionError) this.#onLine(`ERROR RequestId: ${requestId} ${JSON.stringify(result.payload)}`)
    this.#release(instance)
    return result
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all([...this.#all].map((instance) => instance.end()))
  }

  async #take(): Promise<Instance> {
    const free = this.#idle.pop()
    if (free?.isAlive) return free
    if (free) this.#all.delete(free)
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
    if (next) next(instance.isAlive ? instance : this.#create())
    else if (instance.isAlive) {
      this.#idle.push(instance)
      void this.#endWhenSurplus(instance)
    }
  }

  async #endWhenSurplus(instance: Instance): Promise<void> {
    if (this.#all.size === 1) return
    await sleep(SURPLUS_IDLE_MS, undefined, { ref: false })
    const place = this.#idle.indexOf(instance)
    if (place === -1 || this.#all.size === 1) return
    this.#idle.splice(place, 1)
    this.#all.delete(instance)
    await instance.end()
  }
}
