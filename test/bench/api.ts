/**
 * The HTTP API of the local system at 50 requests a second, a tenth of them changes, by four users: what a caller waits, authorizer
 * cached, row security on.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'
import { startLocalCloud } from '../../local/cloud.ts'
import { openSession, request } from '../../local/demo/api-session.ts'
import type { Endpoints } from '../../local/endpoints.ts'
import { createMachines } from '../helpers/tenants.ts'
import { type Figure, median, percentile } from './figure.ts'

const MACHINES = 200
const EVENTS_EACH = 600
const PER_SECOND = 50
const WARM_UP_SEC = 5
const MEASURED_SEC = 30

export async function benchApi(): Promise<Figure> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-api-'))
  const cloud = await startLocalCloud({ rootDir: join(folder, 'local'), demo: false, anyPorts: true })
  const master = new pg.Pool({ connectionString: cloud.endpoints.postgres.url, max: 2 })
  try {
    return await underLoad(cloud.endpoints, await fill(master))
  } finally {
    await master.end()
    await cloud.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Place {
  plantId: string
  machineIds: string[]
}

async function fill(master: pg.Pool): Promise<Place> {
  const { rows } = await master.query<{ tenantId: string; plantId: string }>(
    `select t.id as "tenantId", p.id as "plantId" from plants p join tenants t on t.id = p.tenant_id
     where t.slug = 'granix' order by p.slug limit 1`,
  )
  const { tenantId, plantId } = rows[0]!
  const values = Object.fromEntries(Array.from({ length: 10 }, (_, tag) => [`tag-${tag}`, tag / 8]))
  const machineIds = await createMachines(master, tenantId, plantId, MACHINES, values)
  await master.query(
    `insert into telemetry_events (tenant_id, machine_id, ts, seq, received_at, values)
     select $1, m, $3::int8 - n * 1000, $3::int8 - n * 1000, $3::int8 - n * 1000, $4
     from unnest($2::uuid[]) m, generate_series(1, ${EVENTS_EACH}) n`,
    [tenantId, machineIds, Date.now(), JSON.stringify(values)],
  )
  await master.query('analyze')
  return { plantId, machineIds }
}

async function underLoad(endpoints: Endpoints, { plantId, machineIds }: Place): Promise<Figure> {
  const users = endpoints.users.filter(({ tenant, role }) => tenant === 'granix' && role !== 'viewer')
  const sessions = await Promise.all(users.map((user) => openSession(endpoints, user)))
  const admins = sessions.filter((_session, index) => users[index]!.role === 'admin')
  const now = Date.now()
  const any = <T>(all: T[]): T => all[Math.floor(Math.random() * all.length)]!
  const reads = [
    () => '/me',
    () => '/plants',
    () => `/plants/${plantId}/machines?limit=50`,
    () => `/machines/${any(machineIds)}`,
    () => `/machines/${any(machineIds)}/tags`,
    () => `/machines/${any(machineIds)}/events?limit=50`,
    () => `/machines/${any(machineIds)}/history?tag=tag-1&from=${now - 600_000}&to=${now}&buckets=300`,
    () => `/plants/${plantId}/completeness`,
    () => '/gateways',
  ]
  const delays: number[] = []
  let failed = 0
  const send = async (index: number, measured: boolean) => {
    const begin = performance.now()
    const answer =
      index % 10 === 0
        ? await request(any(admins), 'PATCH', `/v1/machines/${any(machineIds)}`, { name: `Name ${index}` })
        : await request(any(sessions), 'GET', `/v1${reads[index % reads.length]!()}`)
    await answer.arrayBuffer()
    if (!measured) return
    delays.push(performance.now() - begin)
    if (!answer.ok) failed++
  }
  const underway: Promise<void>[] = []
  const total = (WARM_UP_SEC + MEASURED_SEC) * PER_SECOND
  const started = performance.now()
  for (let index = 0; index < total; index++) {
    // By the clock and not by the answers: who waits does not ask less.
    await wait(Math.max(0, started + (index * 1000) / PER_SECOND - performance.now()))
    underway.push(send(index, index >= WARM_UP_SEC * PER_SECOND))
  }
  await Promise.all(underway)
  const p95 = percentile(delays, 95)
  return {
    what: `API at ${PER_SECOND} requests/s mixed, a tenth of them changes, ${MACHINES} machines, authorizer cached, row security on`,
    measured: `p95 ${p95.toFixed(0)} ms, median ${median(delays).toFixed(0)} ms of ${delays.length} requests, ${failed} refused or failed`,
    toReach: 'p95 at most 40 ms, none failed',
    reached: p95 <= 40 && failed === 0,
  }
}
