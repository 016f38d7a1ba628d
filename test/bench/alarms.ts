/**
 * Ingest with 1,000 active rules against none, batch 1,000: the ingest bundle on one consumer, the same readings side by side. The rules
 * look at every tag of every machine in some places and at one tag of one machine in most; no value is beyond its limit, as in a plant that is well.
 */
import { type Figure, median } from './figure.ts'
import { MACHINES, type Step } from './ingest-readings.ts'
import { startIngestSystem } from './ingest-system.ts'

const RULES = 1_000
/** Of which so many are for all machines. */
const FOR_ALL = 10
const BATCH = 1_000
const BATCHES_PER_ROUND = 15
const ROUNDS = 5
/** A consumer remembers rules for 5 s. */
const FORGOTTEN_MS = 5_500

export async function benchAlarms(): Promise<Figure> {
  const system = await startIngestSystem()
  try {
    const { client } = system
    await client.query(
      `insert into alarm_rules (id, tenant_id, name, machine, tag, condition, delay_on_ms, delay_off_ms, severity, enabled, version,
         created_at, updated_at)
       select gen_random_uuid(), t.id, 'rule ' || n, case when n < $1 then '*' else 'machine-' || n end, 'tag-' || n % 10,
         '{"kind":"above","limit":1e12,"hysteresis":1}', 0, 0, 'high', false, 0, 0, 0 from tenants t, generate_series(0, $2 - 1) n`,
      [FOR_ALL, RULES],
    )
    const [consumer] = await system.consumers(1)
    const since = Date.now() - 60_000
    const firstSeq = Date.now()
    let place = 0
    const steps = (): Step[] =>
      Array.from({ length: BATCHES_PER_ROUND }, () => {
        const step = { round: 0, first: place, size: BATCH, firstSeq, seqStep: 1, since }
        place += BATCH
        return step
      })
    const rate = async () => {
      await consumer!.do({ prepare: steps() })
      const begun = performance.now()
      await consumer!.do({ run: true })
      return (1000 * BATCHES_PER_ROUND * BATCH) / (performance.now() - begun)
    }
    const enable = async (enabled: boolean) => {
      await client.query('update tenants set alarm_rules_version = alarm_rules_version + 1')
      await client.query('update alarm_rules set enabled = $1', [enabled])
      await new Promise((resolve) => setTimeout(resolve, FORGOTTEN_MS))
      await rate() // the rules are read, and matched to the machines
    }
    await rate()
    const rounds = []
    for (let round = 0; round < ROUNDS; round += 1) {
      await enable(round % 2 === 0)
      const first = await rate()
      await enable(round % 2 !== 0)
      const second = await rate()
      rounds.push(round % 2 === 0 ? { with: first, without: second } : { with: second, without: first })
    }
    const { rows } = await client.query<{ n: number }>('select count(*)::int as n from alarms')
    if (rows[0]!.n > 0) throw new Error('alarms were raised')
    const slower = median(rounds.map((round) => round.without / round.with))
    const perSecond = (rates: number[]) => Math.round(median(rates)).toLocaleString('en')
    return {
      what: `ingest with ${RULES.toLocaleString('en')} active rules against none, batch 1,000, ${MACHINES.toLocaleString('en')} machines: times slower`,
      measured: `${slower.toFixed(2)} (${perSecond(rounds.map((round) => round.with))} against ${perSecond(rounds.map((round) => round.without))} messages/s)`,
      toReach: 'at most 1.15',
      reached: slower <= 1.15,
    }
  } finally {
    await system.stop()
  }
}
