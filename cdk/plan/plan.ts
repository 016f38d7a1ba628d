/** `npm run plan -- --gateways N --tags T --interval S`: which limit binds first, what it costs a month, what to change. */
import { parseArgs } from 'node:util'
import { BYTES_PER_SAMPLE, totalOf } from '../../schemas/prices.ts'
import { INGEST_PROFILES, settingsFrom } from '../settings.ts'
import type { Profile } from './capacity.ts'
import { costsOf } from './costs.ts'
import { gatewaysAt, limitsOf } from './limits.ts'
import { type Fleet, loadOf } from './load.ts'

const USAGE = `Usage: npm run plan -- --gateways N --tags T --interval S

  --gateways N   gateways that are always on
  --tags T       tags of a gateway
  --interval S   seconds between two readings of a tag
  --machines M   machines of a gateway, each with messages of its own (default: 1)
  --watchers W   browsers with a plant open, on average (default: one for 10 gateways)
  --stage NAME   settings of cdk/settings.ts (default: prod)
  --profile NAME live or bulk (default: live)`

/** Throws an error that says what is wrong with them. */
export function readFleet(argv: string[]): { fleet: Fleet; stage: string; profile: Profile } {
  const { values } = parseArgs({
    args: argv,
    options: {
      ...{ gateways: { type: 'string' }, tags: { type: 'string' }, interval: { type: 'string' } },
      ...{ machines: { type: 'string', default: '1' }, watchers: { type: 'string' } },
      ...{ stage: { type: 'string', default: 'prod' }, profile: { type: 'string', default: 'live' } },
    },
  })
  const number = (
    name: 'gateways' | 'tags' | 'interval' | 'machines' | 'watchers',
    least: number,
    most: number,
    given = values[name],
  ) => {
    const value = Number(given)
    if (given === undefined || !(value >= least && value <= most))
      throw new Error(`--${name} must be a number from ${least} to ${most}\n\n${USAGE}`)
    return value
  }
  const gateways = number('gateways', 1, 1_000_000)
  const tags = number('tags', 1, 100_000)
  const profile = (Object.keys(INGEST_PROFILES) as Profile[]).find((name) => name === values.profile)
  if (profile === undefined) throw new Error(`--profile is one of ${Object.keys(INGEST_PROFILES).join(', ')}`)
  const fleet = {
    ...{ gateways, tags, intervalSec: number('interval', 0.1, 86_400), machines: number('machines', 1, tags) },
    watchers: number('watchers', 0, 1_000_000, values.watchers ?? String(Math.ceil(gateways / 10))),
  }
  return { fleet, stage: values.stage, profile }
}

/** The report, line by line. */
export function planOf({ fleet, stage, profile }: ReturnType<typeof readFleet>): string[] {
  const settings = settingsFrom((key) => (key === 'stage' ? stage : undefined))
  const load = loadOf(fleet)
  const limits = limitsOf(fleet, load, settings, profile, BYTES_PER_SAMPLE.postgres)
  const costs = costsOf(fleet, load, settings, profile)
  const total = totalOf(costs)
  const [first] = limits
  const round = (value: number) => value.toLocaleString('en-US', { maximumFractionDigits: value < 10 ? 1 : 0 })
  const money = (value: number) =>
    Number.isNaN(value)
      ? '?'
      : `$${value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`
  return [
    `${round(fleet.gateways)} gateways of ${round(fleet.tags)} tags each ${round(fleet.intervalSec)} s: ${round(load.messages)} messages/s, ${round(load.samples)} samples/s, ${round(load.heartbeats)} heartbeats/s, ${round(load.frames)} frames/s to ${round(fleet.watchers)} browsers`,
    '',
    `Stage ${stage}, profile ${profile}. What binds first: ${first!.what}, at ${round(gatewaysAt(first!, fleet.gateways))} gateways`,
    '',
    '   used  limit',
    ...limits.flatMap((limit) => [
      `${`${round((100 * limit.load) / limit.limit)} %`.padStart(7)}  ${limit.what}: ${round(limit.load)} of ${round(limit.limit)} ${limit.unit}; met at ${limit.load === 0 ? 'no number of' : round(gatewaysAt(limit, fleet.gateways))} gateways`,
      ...(limit.load > 0.7 * limit.limit ? [`         change: ${limit.change}`] : []),
    ]),
    '',
    'A month, at list prices of us-east-1:',
    ...Object.entries(costs).map(([what, dollars]) => `${money(dollars).padStart(14)}  ${what}`),
    `${money(total).padStart(14)}  in all, ${money(total / fleet.gateways)} a gateway`,
  ]
}

if (import.meta.main) {
  try {
    for (const line of planOf(readFleet(process.argv.slice(2)))) console.log(line)
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    process.exitCode = 2
  }
}
