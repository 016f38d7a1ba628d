import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Failure } from './failure.ts'

const DEFAULT_CONFIGURATION = '/etc/gateway-agent/config.yaml'

const USAGE = `usage: gateway-agent COMMAND --config FILE

  run      read the machines and send what is read, until SIGTERM or Ctrl-C
  enroll   get this gateway's identity: --url URL of the API, --token one-time token; --force replaces an identity
  check    check the configuration, without touching the network
  read     read every tag once and print it, without sending
  browse   print the nodes of an OPC UA server: --device NAME, --node NODEID to begin at, --depth LEVELS (3)
  status   how the running agent is; exit code 1 when it is not connected, or a device does not answer
  logs     the last lines of the running agent; --follow goes on with what comes
  buffer   what was read and not yet sent: show, export (a line of JSON each), drop (--yes answers its question)

Without --config it is ${DEFAULT_CONFIGURATION}. --json, for programs: status, browse, buffer show.
Exit codes: 0 done, 1 failed, 2 wrong use or configuration.`

interface Options {
  config: string
  url?: string | undefined
  token?: string | undefined
  force: boolean
  device?: string | undefined
  node?: string | undefined
  depth: string
  json: boolean
  follow: boolean
  yes: boolean
  /** What follows the command: the action of `buffer`. */
  action: string | undefined
}

/** Each returns its exit code; what it needs is imported only then, which keeps `run` small. */
const COMMANDS: Record<string, (options: Options) => Promise<number>> = {
  async run({ config }) {
    const { readConfiguration } = await import('./configuration.ts')
    const configuration = readConfiguration(config)
    const { becomeLean } = await import('./lean.ts')
    await becomeLean(configuration.dataDir, process.argv.slice(2))
    const { createLog } = await import('./log.ts')
    const { run } = await import('./run.ts')
    await run(configuration, createLog(), stopSignal())
    // A device that hangs would keep the process until its time-out.
    process.exit(0)
  },
  async enroll({ config, url, token, force }) {
    if (!url || !token) throw new Failure(`enroll: --${url ? 'token' : 'url'} is missing\n\n${USAGE}`, 2)
    const { readConfiguration } = await import('./configuration.ts')
    const { dataDir, proxy } = readConfiguration(config)
    const { enrol } = await import('./enrol.ts')
    const { thingName, tenant, plant } = await enrol({ url, proxy }, { dataDir, token, force })
    console.log(`enrolled as ${thingName} (tenant ${tenant}, plant ${plant}); its identity is in ${dataDir}`)
    return 0
  },
  async check({ config }) {
    const { check } = await import('./check.ts')
    for (const line of check(config)) console.log(line)
    return 0
  },
  async read({ config }) {
    const { readConfiguration } = await import('./configuration.ts')
    const { readOnce } = await import('./read.ts')
    return (await readOnce(readConfiguration(config), (line) => console.log(line))) ? 0 : 1
  },
  async browse({ config, device, node, depth, json }) {
    if (!/^[1-9]\d*$/.test(depth)) throw new Failure(`browse: --depth must be a whole number from 1\n\n${USAGE}`, 2)
    const { readConfiguration } = await import('./configuration.ts')
    const { browse } = await import('./browse.ts')
    await browse(readConfiguration(config), { device, node, depth: Number(depth), json }, (line) => console.log(line))
    return 0
  },
  async status({ config, json }) {
    const { readConfiguration } = await import('./configuration.ts')
    const { printStatus } = await import('./status-command.ts')
    return (await printStatus(readConfiguration(config).dataDir, json, (line) => console.log(line))) ? 0 : 1
  },
  async logs({ config, follow }) {
    const { readConfiguration } = await import('./configuration.ts')
    const { askRunning } = await import('./ask-agent.ts')
    const { dataDir } = readConfiguration(config)
    for await (const line of await askRunning(dataDir, { command: 'logs', follow })) console.log(line)
    return 0
  },
  async buffer({ config, json, yes, action = 'show' }) {
    const { BUFFER_ACTIONS, buffer } = await import('./buffer-command.ts')
    const { readConfiguration } = await import('./configuration.ts')
    const known = BUFFER_ACTIONS.find((each) => each === action)
    if (!known) throw new Failure(`buffer: "${action}" is none of ${BUFFER_ACTIONS.join(', ')}`, 2)
    await buffer(known, readConfiguration(config), { asJson: json, isConfirmed: yes })
    return 0
  },
}

/** Aborts at the first SIGTERM or SIGINT; a second one ends the process at once. */
function stopSignal(): AbortSignal {
  const stopping = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(1)
      stopping.abort()
    })
  }
  return stopping.signal
}

function parse(args: string[]): { command: string | undefined; options: Options; help: boolean } {
  try {
    const { positionals, values } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        url: { type: 'string' },
        token: { type: 'string' },
        force: { type: 'boolean', default: false },
        device: { type: 'string' },
        node: { type: 'string' },
        depth: { type: 'string', default: '3' },
        json: { type: 'boolean', default: false },
        follow: { type: 'boolean', short: 'f', default: false },
        yes: { type: 'boolean', short: 'y', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    const [command, action] = positionals
    if (positionals.length > (command === 'buffer' ? 2 : 1)) {
      throw new Error(`one command at a time, not ${positionals.join(' ')}`)
    }
    const { help, config = existsSync(DEFAULT_CONFIGURATION) ? DEFAULT_CONFIGURATION : '', ...rest } = values
    return { command, options: { config, ...rest, action }, help }
  } catch (error) {
    throw new Failure(`${(error as Error).message}\n\n${USAGE}`, 2)
  }
}

async function main(args: string[]): Promise<number> {
  const { command, options, help } = parse(args)
  if (help) {
    console.log(USAGE)
    return 0
  }
  const perform = Object.hasOwn(COMMANDS, command ?? '') ? COMMANDS[command!] : undefined
  if (!perform)
    throw new Failure(`${command ? `"${command}" is not a command` : 'a command is missing'}\n\n${USAGE}`, 2)
  if (!options.config) throw new Failure(`${command!}: --config FILE is missing\n\n${USAGE}`, 2)
  return perform(options)
}

// Whoever reads the output (head, less) may have seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof Failure)) throw error
  console.error(error.message)
  process.exitCode = error.exitCode
}
