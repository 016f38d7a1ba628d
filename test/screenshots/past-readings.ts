/**
 * Eight days of readings of the demo's machines, written straight into the database of a local system: what a page shows of the
 * past cannot be waited for. Like in a plant: two shifts, an outage of two hours, and one spike that lasts one sample.
 */
import type pg from 'pg'

const DAYS = 8
const EVERY_MS = 30_000
const HOUR_MS = 3_600_000

/** Machines of one plant, by slug. What is there already stays. */
export async function writePastReadings(pool: pg.Pool, tenant: string, plant: string, now: number): Promise<void> {
  const { rows: machines } = await pool.query<{ tenantId: string; machineId: string; oldest: string; values: Values }>(
    `select m.tenant_id as "tenantId", m.id as "machineId", s."values" as "values", (
       select min(e.ts) from telemetry_events e where e.tenant_id = m.tenant_id and e.machine_id = m.id) as oldest
     from machines m join plants p on p.id = m.plant_id join tenants t on t.id = m.tenant_id
     join machine_state s on s.machine_id = m.id
     where t.slug = $1 and p.slug = $2`,
    [tenant, plant],
  )
  for (const [index, { tenantId, machineId, oldest, values }] of machines.entries()) {
    const until = Math.floor(Number(oldest) / EVERY_MS) * EVERY_MS
    if (until < now - HOUR_MS) continue
    for (let from = until - DAYS * 24 * HOUR_MS; from < until; from += 24 * HOUR_MS) {
      const times = Array.from({ length: (24 * HOUR_MS) / EVERY_MS }, (_, n) => from + n * EVERY_MS).filter(
        (at) => at < until && !isOutage(at, until),
      )
      await pool.query(
        `insert into telemetry_events (tenant_id, machine_id, ts, seq, received_at, values)
         select $1, $2, r.at, r.at / 1000, r.at + 180, r.said
         from unnest($3::int8[], $4::jsonb[]) as r(at, said)`,
        [tenantId, machineId, times, times.map((at) => JSON.stringify(valuesAt(values, at, until, index)))],
      )
    }
  }
  await pool.query('update rollup_progress set hour = least(hour, $1)', [Math.floor(now / HOUR_MS) - (DAYS + 1) * 24])
}

type Values = Record<string, number | boolean | string | null>

const isOutage = (at: number, until: number) => at > until - 7 * HOUR_MS && at < until - 5 * HOUR_MS

/** Every value in the way of its tag's newest one: flags as they are, numbers around it. */
function valuesAt(newest: Values, at: number, until: number, machine: number): Values {
  const hour = (at / HOUR_MS - 3 + 24) % 24
  const runs = hour > 6 && hour < 21.5 && (Math.floor(at / (HOUR_MS / 4)) * 7 + machine) % 13 > 1
  const load = runs ? 0.75 + 0.2 * Math.sin(at / 2.1e6 + machine) + 0.05 * Math.sin(at / 3.1e5) : 0
  const isSpike = Math.abs(at - (until - 3.5 * HOUR_MS)) < EVERY_MS / 2
  return Object.fromEntries(
    Object.entries(newest).map(([tag, value]): [string, Values[string]] => {
      if (tag === 'running') return [tag, runs]
      if (tag === 'state') return [tag, runs ? 2 : 0]
      if (typeof value !== 'number') return [tag, tag === 'overload' ? load > 0.97 : value]
      const top = FULL[tag] ?? 100
      const noise = Math.sin(at * 12.9898 + machine) * 0.01
      if (tag === 'temperature') return [tag, round(24 + top * (0.25 + load * 0.7 + noise) + (isSpike ? 40 : 0))]
      return [tag, round(Math.max(0, top * (load + (runs ? noise : 0))))]
    }),
  )
}

const FULL: Readonly<Record<string, number>> = { temperature: 45, current: 42, pressure: 6.5, flow: 85, speed: 60 }
const round = (value: number) => Math.round(value * 100) / 100
