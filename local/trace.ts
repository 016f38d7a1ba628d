/**
 * `npm run trace -- ID`: the path of one reading through the local system, from what the functions have logged of it.
 * docs/runbook.md has the same question for CloudWatch Logs Insights.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { findSteps } from './trace/find-steps.ts'

const USAGE = `usage: npm run trace -- ID

  ID   the trace id that the IoT rule gave (\`traceId\` in the logs and on the channel of events),
       or TENANT/PLANT/MACHINE#SEQ`

const LOGS = join(import.meta.dirname, '../.local/logs')

const { positionals } = parseArgs({ allowPositionals: true })
const [id] = positionals
if (id === undefined || positionals.length > 1) {
  console.error(USAGE)
  process.exit(2)
}
const steps = findSteps(LOGS, id)
if (steps.length === 0) {
  console.error(`No log of ${LOGS} tells of ${id}. Logs are kept for the last 20 to 40 MB of each function.`)
  process.exit(1)
}
for (const [index, { at, what, by, details }] of steps.entries()) {
  const before = steps[index - 1]
  const later = before === undefined ? '' : `+${String(at - before.at)} ms`
  console.log(`${new Date(at).toISOString().slice(0, 23)}  ${later.padStart(10)}  ${by.padEnd(16)}  ${what}`)
  for (const [name, value] of Object.entries(details)) console.log(`${' '.repeat(55)}${name}: ${value}`)
}
if (!steps.some(({ what }) => what === 'Frame posted'))
  console.log('\nNo frame has told it: nobody watched the plant, it was not the newest, or a newer one took its place.')
