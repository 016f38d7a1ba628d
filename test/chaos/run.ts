/** `npm run chaos -- [--minutes N] [--seed S]`: ends with 1 and the first differences when the system is not right. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runChaos } from './chaos.ts'
import { startSystem } from './system.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string' } } })
const seed = Number(values.seed ?? Date.now() % 1_000_000)
const minutes = Number(values.minutes ?? 1)
if (!Number.isSafeInteger(seed) || !(minutes >= 0)) {
  console.error('npm run chaos -- [--minutes N] [--seed S], both numbers')
  process.exit(2)
}

console.log(`seed ${seed}, ${minutes} min`)
const folder = mkdtempSync(join(tmpdir(), 'iot-chaos-'))
const system = await startSystem(folder)
try {
  const { differences, counts, bites } = await runChaos(system, { seed, minutes, say: console.log })
  console.log('faults', bites)
  console.log('ingest', system.ingest.counts)
  console.log('quarantine', system.quarantine.counts)
  console.log('held', counts)
  for (const difference of differences) console.error(`seed ${seed}: ${difference}`)
  console.log(differences.length === 0 ? 'all is right' : `WRONG; the functions' log: ${system.logFile}`)
  process.exitCode = differences.length === 0 ? 0 : 1
} finally {
  await system.stop()
  if (process.exitCode === 0) rmSync(folder, { recursive: true, force: true })
}
