/** Runs inside the worker thread: the part of the Lambda runtime that imports the bundle and calls its handler. */
import { enableCompileCache } from 'node:module'
import { pathToFileURL } from 'node:url'
import { parentPort, workerData } from 'node:worker_threads'

export interface WorkerSettings {
  file: string
  exportName: string
  timeZone: string
}
export interface ToWorker {
  /** JSON, as Lambda gives it: nothing but JSON can pass. */
  event: string
  /** Epoch ms. */
  deadline: number
  context: { awsRequestId: string; functionName: string; invokedFunctionArn: string; memoryLimitInMB: string }
}
interface ErrorReport {
  errorType: string
  errorMessage: string
  trace: string[]
}
export type FromWorker =
  | { type: 'ready' }
  | { type: 'init error'; error: ErrorReport }
  | { type: 'result'; payload: string }
  | { type: 'error'; error: ErrorReport }
type Handler = (event: unknown, context: object) => unknown

const { file, exportName } = workerData as WorkerSettings
const port = parentPort!
const answer = (message: FromWorker) => port.postMessage(message)

enableCompileCache()
try {
  const bundle = (await import(pathToFileURL(file).href)) as Record<string, unknown>
  const handler = bundle[exportName]
  if (typeof handler !== 'function') throw new Error(`${file} has no function named ${exportName}`)
  port.on('message', (request: ToWorker) => void handle(handler as Handler, request))
  answer({ type: 'ready' })
} catch (error) {
  answer({ type: 'init error', error: report(error) })
}

async function handle(handler: Handler, { event, deadline, context }: ToWorker): Promise<void> {
  try {
    const result = await handler(JSON.parse(event), {
      ...context,
      functionVersion: '$LATEST',
      logGroupName: `/aws/lambda/${context.functionName}`,
      logStreamName: 'local',
      callbackWaitsForEmptyEventLoop: true,
      getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
    })
    answer({ type: 'result', payload: result === undefined ? 'null' : JSON.stringify(result) })
  } catch (error) {
    console.error(error)
    answer({ type: 'error', error: report(error) })
  }
}

function report(error: unknown): ErrorReport {
  if (!(error instanceof Error)) return { errorType: typeof error, errorMessage: String(error), trace: [] }
  return { errorType: error.name, errorMessage: error.message, trace: error.stack?.split('\n') ?? [] }
}
