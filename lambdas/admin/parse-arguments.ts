import { parseArgs } from 'node:util'
import * as v from 'valibot'
import { AdminCommand } from '../../schemas/admin.ts'

export const USAGE = `Usage: npm run admin -- <command> [--yes] [--function NAME | --local]

  tenant list
  tenant costs                   what each one's messages cost in a month
  tenant create <tenant> --name NAME
  tenant disable <tenant>        nobody signs in, its gateways' messages become dead letters
  tenant enable <tenant>
  tenant export <tenant> --to FOLDER
  tenant delete <tenant>         all of it, for good; begins where an earlier one broke off
  plant create <tenant> <province> <plant> --name NAME --time-zone ZONE
  user invite <tenant> <email> --role viewer|plant_operator|manager|admin --plants all|PLANT,…
  gateway list [--tenant TENANT]
  dead-letter list [--code CODE]
  dead-letter redrive --code CODE | --ids ID,…

  The dead letters are those whose topic names no tenant that exists; a tenant's own are for its admins.

  --yes            do it without asking
  --function NAME  admin function to invoke, with your AWS credentials (default: iot-telemetry-dev-admin)
  --local          the system that npm start runs in this folder`

const DEFAULT_FUNCTION = 'iot-telemetry-dev-admin'

/** Positional arguments of each command, by the names that AdminCommand has for them. */
const POSITIONALS: Record<Exclude<AdminCommand['command'], 'tenant archive'>, string[]> = {
  'tenant list': [],
  'tenant costs': [],
  'tenant create': ['slug'],
  'tenant disable': ['slug'],
  'tenant enable': ['slug'],
  'tenant export': ['slug'],
  'tenant delete': ['slug'],
  'plant create': ['tenant', 'province', 'slug'],
  'user invite': ['tenant', 'email'],
  'gateway list': [],
  'dead-letter list': [],
  'dead-letter redrive': [],
}

export interface Invocation {
  command: AdminCommand
  functionName: string
  local: boolean
  /** Do not ask. */
  yes: boolean
  /** Folder of an export. */
  to: string | undefined
}

/** Wrong use of the command line: the message is what to change. */
export class WrongUse extends Error {}

/** Throws WrongUse. */
export function parseArguments(argv: string[]): Invocation {
  const { values, positionals } = readArguments(argv)
  const name = positionals.slice(0, 2).join(' ')
  const names = Object.entries(POSITIONALS).find(([command]) => command === name)?.[1]
  if (names === undefined) throw new WrongUse(USAGE)
  const given = positionals.slice(2)
  if (given.length !== names.length) throw new WrongUse(`${name} takes ${names.map((one) => `<${one}>`).join(' ')}`)

  const { local, yes, to, function: functionName, 'time-zone': timeZone, plants, ids, ...rest } = values
  if ((name === 'tenant export') !== (to !== undefined)) throw new WrongUse('--to FOLDER belongs to tenant export')
  const input = {
    command: name,
    ...Object.fromEntries(names.map((one, index) => [one, given[index]])),
    ...rest,
    ...(timeZone !== undefined && { timeZone }),
    ...(ids !== undefined && { ids: ids.split(',') }),
    ...(plants !== undefined && { plants: plants === 'all' ? plants : plants.split(',') }),
  }
  const command = v.safeParse(AdminCommand, input)
  if (!command.success) {
    throw new WrongUse(command.issues.map((issue) => `${v.getDotPath(issue) ?? name}: ${issue.message}`).join('; '))
  }
  return { command: command.output, functionName, local, yes, to }
}

function readArguments(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        name: { type: 'string' },
        'time-zone': { type: 'string' },
        role: { type: 'string' },
        plants: { type: 'string' },
        tenant: { type: 'string' },
        to: { type: 'string' },
        code: { type: 'string' },
        ids: { type: 'string' },
        yes: { type: 'boolean', default: false },
        function: { type: 'string', default: DEFAULT_FUNCTION },
        local: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new WrongUse(error instanceof Error ? error.message : String(error))
  }
}
