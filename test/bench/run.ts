/** `npm run bench [NAME] [-- --minutes N]`: prints what was measured beside what is to be reached. `--minutes`: for how long `page` watches the heap. */
import { parseArgs } from 'node:util'
import type { Figure } from './figure.ts'

const benches: Record<string, () => Promise<Figure | Figure[]>> = {
  store: async () => (await import('./store.ts')).benchStore(),
  'plant-state': async () => (await import('./plant-state.ts')).benchPlantState(),
  path: async () => (await import('./path.ts')).benchPath(),
  backlog: async () => (await import('./backlog.ts')).benchBacklog(),
  history: async () => (await import('./history.ts')).benchHistory(),
  web: async () => (await import('./javascript-size.ts')).benchJavaScript(),
  start: async () => (await import('./start.ts')).benchStart(),
  modbus: async () => (await import('./agent-load.ts')).benchModbus(),
  opcua: async () => (await import('./agent-load.ts')).benchOpcUa(),
  latency: async () => (await import('./latency.ts')).benchLatency(),
  page: async () => (await import('./page.ts')).benchPage(),
  chart: async () => (await import('./chart.ts')).benchChart(),
  live: async () => (await import('./live.ts')).benchLive(),
  completeness: async () => (await import('./completeness.ts')).benchCompleteness(),
  agent: async () => (await import('./agent.ts')).benchAgent(),
  'agent-backlog': async () => (await import('./agent.ts')).benchWholeBacklog(),
  'cold-start': async () => (await import('./cold-start.ts')).benchColdStart(),
  archive: async () => (await import('./archive.ts')).benchArchive(),
  api: async () => (await import('./api.ts')).benchApi(),
  alarms: async () => (await import('./alarms.ts')).benchAlarms(),
  'alarm-latency': async () => (await import('./alarm-latency.ts')).benchAlarmLatency(),
  'row-security': async () => (await import('./row-security.ts')).benchRowSecurity(),
}

/** It takes 24 minutes. */
const ONLY_WHEN_NAMED = 'agent-backlog'
const { positionals: wanted } = parseArgs({ options: { minutes: { type: 'string' } }, allowPositionals: true })
const unknown = wanted.filter((name) => !(name in benches))
if (unknown.length > 0) {
  console.error(`no bench is called ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}`)
  process.exit(2)
}
for (const [name, bench] of Object.entries(benches)) {
  if (wanted.length > 0 ? !wanted.includes(name) : name === ONLY_WHEN_NAMED) continue
  for (const { what, measured, toReach, reached } of [await bench()].flat()) {
    console.log(`${reached ? 'reached' : 'MISSED '}  ${what}\n         ${measured}   (${toReach})`)
  }
}
process.exit()
