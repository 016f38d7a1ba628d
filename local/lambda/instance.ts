/** One execution environment of a function: a worker thread that runs the function's bundle, one event at a time. */
import { createInterface } from 'node:readline'
import { Worker } from 'node:worker_threads'
import type { InvokeResult, FunctionSettings } from './function.ts'
import type { FromWorker, ToWorker, WorkerSettings } from './worker.ts'

/** Of an invocation that is waited for, its event and its answer: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
const MAX_PAYLOAD_BYTES = 6 * 1024 * 1024

export class Instance {
  readonly #worker: Worker
  readonly #settings: FunctionSettings
  readonly #ready: Promise<InvokeResult | undefined>
  #settle: ((result: InvokeResult) => void) | undefined
  /** Whether it can take another event. */
  isAlive = true

  constructor(settings: FunctionSettings, onLine: (line: string) => void) {
    this.#settings = settings
    const workerData: WorkerSettings = { file: settings.file, exportName: settings.exportName, timeZone: 'UTC' }
    this.#worker = new Worker(new URL('worker.ts', import.meta.url), {
      workerData,
      env: settings.environment,
      stdout: true,
      stderr: true,
      execArgv: ['--disable-warning=ExperimentalWarning'],
      // Lambda counts everything in the process; of a thread only the heap can be bounded.
      resourceLimits: { maxOldGenerationSizeMb: settings.memoryMb, maxYoungGenerationSizeMb: 8 },
    })
    for (const stream of [this.#worker.stdout, this.#worker.stderr]) createInterface(stream).on('line', onLine)
    const { promise, resolve } = Promise.withResolvers<InvokeResult | undefined>()
    this.#ready = promise
    this.#worker.on('message', (message: FromWorker) => {
      if (message.type === 'ready') resolve(undefined)
      else if (message.type === 'init error') resolve(failure(message.error))
      else if (message.type === 'error') this.#settle?.(failure(message.error))
      else this.#settle?.(answered(message.payload))
    })
    const died = (errorType: string, errorMessage: string) => {
      this.isAlive = false
      const result = failure({ errorType, errorMessage, trace: [] })
      resolve(result)
      this.#settle?.(result)
    }
    this.#worker.on('error', (error: Error & { code?: string }) => {
      const outOfMemory = error.code === 'ERR_WORKER_OUT_OF_MEMORY'
      died(outOfMemory ? 'Runtime.OutOfMemory' : 'Runtime.ExitError', `${error.name}: ${error.message}`)
    })
    this.#worker.on('exit', (code) => died('Runtime.ExitError', `Runtime exited with code ${code}`))
  }

  /** Never rejects: what goes wrong in the function is its result. After the time limit the thread is ended. */
  async run(event: unknown, requestId: string): Promise<InvokeResult> {
    const initFailure = await this.#ready
    if (initFailure) {
      await this.end()
      return initFailure
    }
    if (!this.isAlive)
      return failure({ errorType: 'Runtime.ExitError', errorMessage: 'The instance was ended', trace: [] })
    const text = JSON.stringify(event)
    if (Buffer.byteLength(text) > MAX_PAYLOAD_BYTES) return tooLarge('RequestTooLargeException', 'The event', text)
    const { promise, resolve } = Promise.withResolvers<InvokeResult>()
    this.#settle = resolve
    const { name, arn, memoryMb, timeoutSec } = this.#settings
    const timer = setTimeout(() => {
      const message = `${new Date().toISOString()} ${requestId} Task timed out after ${timeoutSec.toFixed(2)} seconds`
      resolve(failure({ errorType: 'Sandbox.Timedout', errorMessage: message, trace: [] }))
      void this.end()
    }, timeoutSec * 1000)
    const request: ToWorker = {
      event: text,
      deadline: Date.now() + timeoutSec * 1000,
      context: {
        awsRequestId: requestId,
        functionName: name,
        invokedFunctionArn: arn,
        memoryLimitInMB: String(memoryMb),
      },
    }
    this.#worker.postMessage(request)
    const result = await promise
    clearTimeout(timer)
    this.#settle = undefined
    return result
  }

  async end(): Promise<void> {
    this.isAlive = false
    await this.#worker.terminate()
  }
}

const failure = (error: { errorType: string; errorMessage: string; trace: string[] }): InvokeResult => ({
  functionError: 'Unhandled',
  payload: error,
})

const answered = (text: string): InvokeResult =>
  Buffer.byteLength(text) > MAX_PAYLOAD_BYTES
    ? tooLarge('Function.ResponseSizeTooLarge', 'The answer', text)
    : { payload: JSON.parse(text) as unknown }

const tooLarge = (errorType: string, what: string, text: string) =>
  failure({
    errorType,
    errorMessage: `${what} has ${Buffer.byteLength(text)} bytes, Lambda takes ${MAX_PAYLOAD_BYTES}`,
    trace: [],
  })
