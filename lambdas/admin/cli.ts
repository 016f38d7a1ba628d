/** `npm run admin -- …`: asks the admin function and says what came of it. Exit: 0 done, 1 failed, 2 wrong use. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import * as v from 'valibot'
import { AdminAnswer, type AdminCommand } from '../../schemas/admin.ts'
import { confirm, planOf } from './ask.ts'
import { exportFiles } from './export-files.ts'
import { parseArguments, WrongUse } from './parse-arguments.ts'
import { linesOf } from './print-answer.ts'

const ENDPOINTS_FILE = '.local/endpoints.json'
const Endpoints = v.pipe(v.string(), v.parseJson(), v.object({ lambda: v.object({ url: v.string() }) }))

/** The local system takes any signature; the SDK will not send a request without one. */
const LOCAL_ACCESS = { region: 'us-east-1', credentials: { accessKeyId: 'local', secretAccessKey: 'local' } }

try {
  await run()
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = error instanceof WrongUse ? 2 : 1
}

async function run(): Promise<void> {
  const { command, functionName, local, yes, to } = parseArguments(process.argv.slice(2))
  const client = local ? localClient() : new LambdaClient()
  const ask = (one: AdminCommand) => invoke(client, functionName, one)
  if (!yes) {
    const plan = await planOf(command, ask)
    if (plan !== undefined && !(await confirm(command, plan, functionName))) throw new Error('Nothing was done.')
  }
  if (command.command === 'tenant export') {
    await exportFiles(command.slug, to!, ask, (line) => console.log(line))
    return
  }
  let answer = await ask(command)
  while (answer.status === 'working' && command.command === 'tenant delete') {
    const { message, cursor, waitMs } = answer
    console.log(waitMs === 0 ? message : `waiting ${Math.ceil(waitMs / 1000)} s ${message}`)
    await sleep(waitMs)
    answer = await ask({ ...command, cursor })
  }
  if (answer.status === 'refused') throw new Error(answer.message)
  for (const line of linesOf(answer)) console.log(line)
}

async function invoke(client: LambdaClient, functionName: string, command: AdminCommand): Promise<AdminAnswer> {
  const answer = await client.send(
    new InvokeCommand({ FunctionName: functionName, Payload: Buffer.from(JSON.stringify(command)) }),
  )
  const text = answer.Payload?.transformToString() ?? ''
  if (answer.FunctionError !== undefined) throw new Error(`${functionName} failed, see its log: ${text}`)
  return v.parse(v.pipe(v.string(), v.parseJson(), AdminAnswer), text)
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
