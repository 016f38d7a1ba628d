import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { controlSocketIn, type ControlRequest } from './control-socket.ts'
import { Failure, messageOf } from './failure.ts'

/** Nobody listens at the socket, or its file is not there. */
const NOT_RUNNING_CODES = ['ENOENT', 'ECONNREFUSED']

/** The agent that runs with this dataDir is asked; undefined when none does. Throws a Failure when it refuses. */
export async function askAgent(dataDir: string, request: ControlRequest): Promise<AsyncIterable<unknown> | undefined> {
  const path = controlSocketIn(dataDir)
  const socket = connect(path)
  try {
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  } catch (error) {
    if (NOT_RUNNING_CODES.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw new Failure(`${path}: ${messageOf(error)}; run this as root or as the agent's user`, 1)
  }
  socket.write(`${JSON.stringify(request)}\n`)
  return (async function* () {
    for await (const line of createInterface(socket)) {
      const answer = JSON.parse(line) as unknown
      if (answer instanceof Object && 'error' in answer)
        throw new Failure(`the agent answers: ${String(answer.error)}`, 1)
      yield answer
    }
  })()
}

/** The only answer to a request that has one. Throws a Failure when no agent runs. */
export async function askOnce<T>(dataDir: string, request: ControlRequest): Promise<T> {
  for await (const answer of await askRunning(dataDir, request)) return answer as T
  throw new Failure(`${controlSocketIn(dataDir)}: the agent ended before it had answered`, 1)
}

/** As `askAgent`; throws a Failure when no agent runs. */
export async function askRunning(dataDir: string, request: ControlRequest): Promise<AsyncIterable<unknown>> {
  const answers = await askAgent(dataDir, request)
  if (!answers) {
    throw new Failure(
      `${dataDir}: no agent is running with this dataDir; as a service: systemctl status gateway-agent, journalctl -u gateway-agent`,
      1,
    )
  }
  return answers
}
