import { once } from 'node:events'
import pg from 'pg'
import { afterAll, expect, inject, it, vi } from 'vitest'
import { prepareCountingGateway } from '../helpers/counting-gateway.ts'

const endpoints = inject('endpoints')
const cleanup: (() => unknown)[] = []
afterAll(async () => {
  for (const undo of cleanup.reverse()) await undo()
})

it('kill -9 of the agent while the broker is away, then both return: each seq exactly once in Postgres', async () => {
  const gateway = await prepareCountingGateway(endpoints, { machine: 'outage', intervalMs: 100 })
  cleanup.push(() => gateway.stop())

  const database = new pg.Client({ connectionString: endpoints.postgres.url })
  await database.connect()
  cleanup.push(() => database.end())
  const stored = async () => {
    const { rows } = await database.query<{ rows: string; distinct: string; first: string; last: string }>(
      `select count(*)::text as rows, count(distinct e.seq)::text as distinct, min(e.seq)::text as first, max(e.seq)::text as last
       from telemetry_events e join machines m on m.id = e.machine_id where m.slug = 'outage'`,
    )
    const row = rows[0]!
    return { rows: Number(row.rows), distinct: Number(row.distinct), first: Number(row.first), last: Number(row.last) }
  }

  const first = gateway.start()
  await vi.waitFor(async () => expect((await stored()).rows).toBeGreaterThan(5), 20_000)

  gateway.line.cut()
  const whenCut = gateway.count()
  await vi.waitFor(() => expect(gateway.count() - whenCut).toBeGreaterThan(60), 15_000)
  first.kill('SIGKILL')
  await once(first, 'exit')
  const before = await stored()

  gateway.start()
  const whenBack = gateway.count()
  await vi.waitFor(() => expect(gateway.count() - whenBack).toBeGreaterThan(40), 15_000)
  gateway.line.mend()

  // Live goes first, so the newest arrives while the backlog is still on its way.
  await vi.waitFor(async () => {
    const { rows, distinct, first, last } = await stored()
    expect(last).toBeGreaterThan(before.last + 60)
    expect(rows).toBe(last - first + 1)
    expect(distinct).toBe(rows)
  }, 60_000)
}, 180_000)
