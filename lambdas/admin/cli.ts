/** `npm run admin -- …`: asks the admin function and says what came of it. Exit: 0 done, 1 failed, 2 wrong use. */
import { readFileSync } from 'node:fs'
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import * as v from 'valibot'
import { AdminAnswer, type AdminCommand, type DeadLetter } from '../../schemas/api.ts'
import { parseArguments, WrongUse } from './parse-arguments.ts'

const ENDPOINTS_FILE = '.local/endpoints.json'
const Endpoints = v.pipe(v.string(), v.parseJson(), v.object({ lambda: v.object({ url: v.string() }) }))

/** The local system takes any signature; the SDK will not send a request without one. */
const LOCAL_ACCESS = { region: 'us-east-1', credentials: { accessKeyId: 'local', secretAccessKey: 'local' } }

try {
  const { command, functionName, local } = parseArguments(process.argv.slice(2))
  const answer = await invoke(local ? localClient() : new LambdaClient(), functionName, command)
  if (answer.status === 'refused') throw new Error(answer.message)
  if (answer.status === 'listed') for (const letter of answer.items) console.log(lineOf(letter))
  if (answer.status === 'invited') console.log(`${answer.message}\n${answer.link}`)
  else console.log('id' in answer ? `${answer.message} (${answer.id})` : answer.message)
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = error instanceof WrongUse ? 2 : 1
}

async function invoke(client: LambdaClient, functionName: string, command: AdminCommand): Promise<AdminAnswer> {
  const answer = await client.send(
    new InvokeCommand({ FunctionName: functionName, Payload: Buffer.from(JSON.stringify(command)) }),
  )
  const text = answer.Payload?.transformToString() ?? ''
  if (answer.FunctionError !== undefined) throw new Error(`${functionName} failed, see its log: ${text}`)
  return v.parse(v.pipe(v.string(), v.parseJson(), AdminAnswer), text)
}

function lineOf({ quarantinedAt, id, code, topic, thingName, message, text, hex }: DeadLetter): string {
  const content = text === null ? hex : JSON.stringify(text)
  return [new Date(quarantinedAt).toISOString(), id, code, topic ?? '-', thingName ?? '-', message, content].join('  ')
}

function localClient(): LambdaClient {
  const endpoints = v.safeParse(Endpoints, read(ENDPOINTS_FILE))
  if (!endpoints.success) throw new Error(`${ENDPOINTS_FILE} names no running system: run npm start first`)
  return new LambdaClient({ endpoint: endpoints.output.lambda.url, ...LOCAL_ACCESS })
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
