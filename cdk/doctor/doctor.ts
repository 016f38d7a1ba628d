/** `npm run doctor`: looks at a deployed stage, or at the system of this folder, and says what is wrong. Exit: 0 all well, 1 not, 2 wrong use. */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import * as v from 'valibot'
import { CHECKS } from './checks.ts'
import { deployedStage, LocalEndpoints, localStage, type Stage } from './stage.ts'

const USAGE = `Usage: npm run doctor -- --stage dev|prod | --local

  --stage NAME   by your AWS credentials, which need to read CloudFormation, CloudWatch alarms, SQS and the endpoint of AWS IoT
  --local        the system that npm start runs in this folder`

const ENDPOINTS_FILE = '.local/endpoints.json'

/** A line for each check, and what it found. A check that fails to look has found something too. */
export async function examine(stage: Stage): Promise<{ lines: string[]; isWell: boolean }> {
  const found = await Promise.all(
    CHECKS.map(async ({ what, run }) => {
      const faults = await run(stage).catch((error: unknown) => [causeOf(error)])
      return faults.length === 0 ? [`ok     ${what}`] : faults.map((fault) => `WRONG  ${what}: ${fault}`)
    }),
  )
  const lines = found.flat()
  return { lines, isWell: lines.every((line) => line.startsWith('ok')) }
}

/** fetch hides what went wrong in the cause of its error. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { stage: { type: 'string' }, local: { type: 'boolean', default: false } } })
  if ((values.stage === undefined) === !values.local) {
    console.error(USAGE)
    process.exitCode = 2
    return
  }
  const stage = values.stage === undefined ? readLocal() : await deployedStage(values.stage)
  const { lines, isWell } = await examine(stage)
  for (const line of lines) console.log(line)
  process.exitCode = isWell ? 0 : 1
}

function readLocal(): Stage {
  const text = (path: string) => readFileSync(path, 'utf8')
  try {
    return localStage(v.parse(v.pipe(v.string(), v.parseJson(), LocalEndpoints), text(ENDPOINTS_FILE)), text)
  } catch (error) {
    throw new Error(`${ENDPOINTS_FILE} names no running system: run npm start first`, { cause: error })
  }
}

if (import.meta.main) {
  try {
    await main()
  } catch (error) {
    console.error(causeOf(error))
    process.exitCode = 2
  }
}
