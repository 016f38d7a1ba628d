import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { IngestErrorCode } from '../../schemas/error-codes.ts'
import { type ChaosReport, runChaos } from '../chaos/chaos.ts'
import { FAULTS } from '../chaos/faults.ts'
import { startSystem, type System } from '../chaos/system.ts'
import { judge } from '../chaos/verdict.ts'

const SEED = 5
const folder = mkdtempSync(join(tmpdir(), 'iot-chaos-'))
let system: System
let report: ChaosReport

beforeAll(async () => {
  system = await startSystem(folder)
  report = await runChaos(system, { seed: SEED, minutes: 0 })
}, 240_000)
afterAll(async () => {
  await system.stop()
  rmSync(folder, { recursive: true, force: true })
})

describe(`whatever fails while readings arrive (seed ${SEED}; more of it: npm run chaos)`, () => {
  test('each reading is stored once, the state is the newest, and each refusal has its code', () => {
    expect(report.differences).toEqual([])
    expect(report.counts.readings).toBeGreaterThan(2_000)
    const refused = new Set<IngestErrorCode>(report.generator.refused.values()).add('seq_conflict')
    expect(refused).toEqual(new Set<IngestErrorCode>(IngestErrorCode.options))
  })

  test.each(Object.values(FAULTS).flatMap((group) => Object.keys(group)))('it did fail: %s', (fault) => {
    expect(report.bites[fault]).toBeGreaterThan(0)
  })

  const one = `machine_id = (select machine_id from machine_state order by machine_id limit 1)`
  const seqOf = (which: 'min' | 'max') => `${one} and seq = (select ${which}(seq) from telemetry_events where ${one})`
  test.each([
    ['a reading lost', ['rows', 'ledger', 'state', 'Redis'], `delete from telemetry_events where ${seqOf('max')}`],
    [
      'a reading stored twice',
      ['rows'],
      `insert into telemetry_events select tenant_id, machine_id, ts - 1, seq, received_at, values, quality
       from telemetry_events where ${seqOf('min')}`,
    ],
    [
      'a value changed',
      ['rows'],
      `update telemetry_events set values = values || '{"speed": -1}' where ${seqOf('min')}`,
    ],
    ['a delivery uncounted', ['repeats'], `update closed_blocks set repeats = -1000 where ${one}`],
    [
      'a bit lost',
      ['ledger'],
      `update closed_blocks set received = set_bit(received, position(B'1' in received) - 1, 0)
      where ${one}`,
    ],
    [
      'a time of an older tag lost',
      ['state'],
      `update machine_state set older_tags = '{"speed": [1, 1]}' where ${one}`,
    ],
    ['an older state', ['state'], `update machine_state set values = values || '{"speed": -1}' where ${one}`],
    [
      'a late reading not rolled up',
      ['rollups'],
      // Not of any machine: most have sent nothing of an hour that is over.
      `update rollups set count = count - 1
       where (machine_id, tag) = (select r.machine_id, r.tag from rollups r join rollup_progress p on r.hour < p.hour
        order by r.machine_id, r.tag limit 1)`,
    ],
    ['a declaration lost', ['completeness'], `update declared_ranges set last = last - 1 where ${one}`],
    [
      'a loss that is not told from what was dropped',
      ['completeness'],
      `update declared_ranges set dropped = '{}' where dropped <> '{}'`,
    ],
    [
      'a refusal lost',
      ['quarantine'],
      `delete from quarantine where id = (select min(id::text)::uuid from quarantine)`,
    ],
    [
      'a refusal told twice',
      ['quarantine'],
      `insert into quarantine select gen_random_uuid(), 'again', tenant_id, plant_id, queue, code, message, topic, machine,
       thing_name, received_at, quarantined_at, redrive_at, body, payload_bytes, payload_head from quarantine limit 1`,
    ],
    [
      'a refusal told to another tenant',
      ['quarantine'],
      `update quarantine set tenant_id = (select id from tenants where slug = 'chaos-1')
       where id = (select q.id from quarantine q join tenants t on t.id = q.tenant_id where t.slug <> 'chaos-1' limit 1)`,
    ],
    [
      'a machine that sent nothing',
      ['machines'],
      `insert into machines (id, tenant_id, plant_id, slug, created_at, updated_at)
       select gen_random_uuid(), tenant_id, plant_id, slug || '-2', 0, 0 from machines
       where id = (select machine_id from machine_state limit 1)`,
    ],
  ])('the verdict sees %s', async (_what, checks, harm) => {
    await system.withDatabase(async (database) => {
      await database.query('begin')
      await database.query(harm)
      const { differences } = await judge(system, report.generator, database)
      expect(differences.map((difference) => difference.split(':')[0])).toEqual(expect.arrayContaining(checks))
    })
  })

  test('the verdict judges no hour that is not over, of which late readings may be rolled up already', async () => {
    await system.withDatabase(async (database) => {
      await database.query('begin')
      await database.query(
        `insert into rollups (tenant_id, machine_id, tag, hour, kind, count)
         select s.tenant_id, s.machine_id, 'count', p.hour, 'bad', 1 from machine_state s, rollup_progress p where s.${one}`,
      )
      expect((await judge(system, report.generator, database)).differences).toEqual([])
    })
  })
})
