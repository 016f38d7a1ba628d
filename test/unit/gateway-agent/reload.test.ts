import { writeFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { it, onTestFinished } from 'vitest'
import type { Agent } from '../../../gateway-agent/src/agent.ts'
import { readConfiguration } from '../../../gateway-agent/src/configuration.ts'
import { watchConfiguration } from '../../../gateway-agent/src/reload.ts'
import { silentLog } from './silent-log.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { waitFor } from './wait-for.ts'

const TOPICS = { telemetry: 'factory/granix/ba/norte/{machine}/telemetry', status: 'unused' }

it('a mistake in a tag list that only the changed file names is mended in that list', { timeout: 20_000 }, async () => {
  const folder = temporaryFolder()
  const file = join(folder, 'config.yaml')
  const configure = (tags: string) =>
    writeFileSync(
      file,
      `version: 1
dataDir: data
devices: [{ name: plc-1, driver: modbus-tcp, host: 127.0.0.1 }]
machines: [{ slug: pump-1, device: plc-1, ${tags} }]
`,
    )
  configure('tags: { count: { address: "holding:1" } }')
  const log = silentLog()
  const agent = {
    configuration: readConfiguration(file),
    identity: { topics: TOPICS },
    log,
    outbox: {},
    publisher: {},
    connection: { reconfigure: () => undefined },
    polling: { apply: () => Promise.resolve([]) },
  } as unknown as Agent
  onTestFinished(watchConfiguration(agent))

  const list = (address: string) => writeFileSync(join(folder, 'tags.csv'), `name,address\ncount,${address}\n`)
  list('holdin:2')
  await looked(file)
  configure('tagsFile: tags.csv')
  await waitFor('the refusal', () => log.lines.some((line) => line.includes('tags.csv:2')))
  await looked(file)
  list('holding:2')
  await waitFor('the mended list', () => agent.configuration.machines[0]!.tags[0]!.address === 'holding:2')
})

/** Resolves when Node has looked at the files that it has begun to watch: it asks for their dates in the order of these calls. */
async function looked(file: string): Promise<void> {
  for (let times = 0; times < 50; times += 1) await stat(file)
}
