import { createInterface } from 'node:readline/promises'
import type { AdminAnswer, AdminCommand, TenantSummary } from '../../schemas/admin.ts'
import { WrongUse } from './parse-arguments.ts'

type Ask = (command: AdminCommand) => Promise<AdminAnswer>

/** What the command will do, in a sentence; undefined for one that changes nothing. */
export async function planOf(command: AdminCommand, ask: Ask): Promise<string | undefined> {
  switch (command.command) {
    case 'tenant list':
    case 'tenant costs':
    case 'tenant export':
    case 'tenant archive':
    case 'gateway list':
    case 'dead-letter list':
      return undefined
    case 'tenant create':
      return `create the tenant ${command.slug} ("${command.name}")`
    case 'tenant disable':
      return `disable ${await described(command.slug, ask)}: its people are signed out, its gateways' messages become dead letters`
    case 'tenant enable':
      return `enable ${await described(command.slug, ask)}`
    case 'tenant delete':
      return `DELETE ${await described(command.slug, ask)}, with all readings, at AWS IoT and Firebase as well. Nothing brings it back; export it first`
    case 'plant create':
      return `create the plant ${command.tenant}/${command.province}/${command.slug} ("${command.name}", ${command.timeZone})`
    case 'user invite': {
      const plants = command.plants === 'all' ? 'all plants' : command.plants.join(', ')
      return `invite ${command.email} to ${command.tenant} as ${command.role} of ${plants}`
    }
    case 'dead-letter redrive':
      return `send ${command.code === undefined ? `${command.ids?.length} dead letters` : `all dead letters ${command.code}`} of no tenant to their queues again`
  }
}

async function described(slug: string, ask: Ask): Promise<string> {
  const answer = await ask({ command: 'tenant list' })
  const tenant = answer.status === 'tenants' ? answer.items.find((one) => one.slug === slug) : undefined
  return tenant === undefined ? `the tenant ${slug}, which is not there` : `the tenant ${slug} (${sizeOf(tenant)})`
}

export const sizeOf = ({ name, plants, machines, gateways, users }: TenantSummary) =>
  `"${name}", ${plants} plants, ${machines} machines, ${gateways} gateways, ${users} users`

/** What has to be typed for it: the slug for what nothing brings back. Throws WrongUse where nobody can be asked. */
export async function confirm(command: AdminCommand, plan: string, functionName: string): Promise<boolean> {
  console.log(`${functionName} will ${plan}.`)
  if (!process.stdin.isTTY) throw new WrongUse('Nobody is there to be asked: say --yes')
  const expected = command.command === 'tenant delete' ? command.slug : 'yes'
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return (await terminal.question(`Type ${expected} to go on: `)).trim() === expected
  } catch (error) {
    // Ctrl-C and Ctrl-D.
    if (error instanceof Error && error.name === 'AbortError') return false
    throw error
  } finally {
    terminal.close()
  }
}
