/** Commands of the platform team (`npm run admin`). Invoked with AWS credentials only; no API leads here. */
import type { Context } from 'aws-lambda'
import * as v from 'valibot'
import { type AdminAnswer, AdminCommand } from '../../schemas/api.ts'
import type { Database } from '../data/database.ts'
import { type Accounts, openAccounts } from '../runtime/accounts.ts'
import { accountsEnvironment, postgresEnvironment, readEnvironment } from '../runtime/environment.ts'
import { frame, logger } from '../runtime/frame.ts'
import { openPostgres } from '../runtime/postgres.ts'
import { runCommand } from './run-command.ts'

const environment = readEnvironment({
  ...postgresEnvironment,
  ...accountsEnvironment,
})

let accounts: Accounts | undefined
const services = {
  db: openPostgres<Database>(environment).db,
  accounts: async () => (accounts ??= await openAccounts(environment)),
}

export const handler = frame(async (event: unknown, context: Context): Promise<AdminAnswer> => {
  const command = v.safeParse(AdminCommand, event)
  if (!command.success) {
    const wrong = command.issues.map((issue) => `${v.getDotPath(issue) ?? 'command'}: ${issue.message}`)
    return { status: 'refused', message: wrong.join('; ') }
  }
  const answer = await runCommand(services, command.output, context.awsRequestId)
  logger.info('Done', { command: command.output.command, status: answer.status, answer: answer.message })
  return answer
})
