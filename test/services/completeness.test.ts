import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { declareRanges } from '../../lambdas/data/declare-ranges.ts'
import { DAY_MS } from '../../lambdas/data/partitions.ts'
import { quarantineMessage } from '../../lambdas/data/quarantine-message.ts'
import type { MachineLedger } from '../../schemas/status.ts'
import { openCompleteness } from '../helpers/completeness.ts'
import { createGateway } from '../helpers/plant.ts'

const now = Date.now()
/** First seq of the machine's outbox, somewhere in a block of the ledger. */
const first = now - DAY_MS
const startOfToday = Math.floor(now / DAY_MS) * DAY_MS

let system: Awaited<ReturnType<typeof openCompleteness>>
beforeAll(async () => {
  system = await openCompleteness(now)
})
afterAll(() => system.close())

const newMachine = (tenant: string) => system.newMachine(tenant)
const query = <Row extends Record<string, unknown>>(text: string, values: unknown[] = []) =>
  system.database.master.query<Row>(text, values)
const declare = (...declarations: Parameters<typeof declareRanges>[1]) => declareRanges(system.ingest.db, declarations)

const seqs = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)
const allBut = (from: number, to: number, ...missing: number[]) =>
  seqs(from, to).filter((seq) => !missing.includes(seq))
const lost = (from: number, to = from) => ({ from, to, state: 'lost' })

test('what is declared and not stored is reported to the seq, newest first, over the ends of blocks', async () => {
  const machine = await newMachine('holes')
  const block = Math.ceil(first / 1024) * 1024
  const holes = [block - 1, block, block + 1023, block + 1024, block + 1500, block + 3000]
  await machine.store(allBut(block - 5, block + 3000, ...holes))
  await machine.declare({ first: block - 5, last: block + 3000, dropped: [] })
  expect(await machine.read()).toMatchObject({
    ...{ expected: 3006, stored: 3000, missing: 6, lost: 6, held: 0, dropped: 0, underway: 0, undeclared: 0 },
    percent: 99.8,
    duplicates: 0,
    missingRanges: [lost(block + 3000), lost(block + 1500), lost(block + 1023, block + 1024), lost(block - 1, block)],
    hasMoreRanges: false,
    declared: [{ thingName: machine.thingName, from: block - 5, to: block + 3000 }],
  })
  await machine.store(holes)
  expect(await machine.read()).toMatchObject({ stored: 3006, percent: 100, missing: 0, missingRanges: [] })
})

test('nearly all is not all: 100 per cent means that nothing is missing', async () => {
  const machine = await newMachine('nearly')
  await machine.declare({ first, last: first + 10_000_000, dropped: [] })
  await query(
    `insert into closed_blocks (tenant_id, machine_id, block, received)
     select $1, $2, n, ~0::bit(1024) from generate_series($3::int8 >> 10, ($3::int8 + 10000000) >> 10) n`,
    [machine.tenantId, machine.machineId, first],
  )
  expect(await machine.read()).toMatchObject({ percent: 100, missing: 0 })
  await query(
    `update closed_blocks set received = set_bit(received, 7, 0) where machine_id = $1 and block = ($2::int8 + 5000000) >> 10`,
    [machine.machineId, first],
  )
  expect(await machine.read()).toMatchObject({ percent: 99.999, missing: 1, lost: 1 })
})

test('a gateway that lost its disk begins anew: the jump is no loss, and what it held is', async () => {
  const machine = await newMachine('lost-disk')
  await machine.store(seqs(first, first + 9))
  await machine.declare(
    { first, last: first + 19, dropped: [], pending: [[first + 10, first + 19]] },
    { receivedAt: now - 60_000 },
  )
  expect(await machine.read()).toMatchObject({ expected: 20, held: 10, lost: 0 })
  const anew = first + 1_000_000
  await machine.declare({ first: anew, last: anew + 4, dropped: [], pending: [] })
  await machine.store(seqs(anew, anew + 4))
  expect(await machine.read()).toMatchObject({
    ...{ expected: 25, stored: 15, held: 0, lost: 10 },
    missingRanges: [lost(first + 10, first + 19)],
    declared: [
      { from: anew, to: anew + 4 },
      { from: first, to: first + 19 },
    ],
  })
})

test('a disk that is lost before the machine has sent again: the newest heartbeat does not mention it', async () => {
  const machine = await newMachine('lost-silent')
  await machine.declare(
    { first, last: first + 9, dropped: [], pending: [[first, first + 9]] },
    { receivedAt: now - 20_000 },
  )
  const { plantId, gatewayId } = machine
  await declare({ plantId, gatewayId, receivedAt: now, timestamp: now, ledger: {} })
  expect(await machine.read()).toMatchObject({ expected: 10, held: 0, lost: 10 })
})

test('repeated deliveries are counted, and stored once', async () => {
  const machine = await newMachine('repeats')
  await machine.store(seqs(first, first + 9))
  await machine.store(seqs(first + 5, first + 9))
  await machine.declare({ first, last: first + 9, dropped: [] })
  expect(await machine.read()).toMatchObject({ expected: 10, stored: 10, percent: 100, duplicates: 5 })
})

test('dropped, held and lost are told apart; what arrived is stored whatever the gateway believes', async () => {
  const machine = await newMachine('apart')
  await machine.declare({
    ...{ first, last: first + 99, dropped: [[first + 10, first + 19]], pending: [[first + 15, first + 29]] },
  })
  await machine.store([...seqs(first, first + 11), first + 28, ...seqs(first + 40, first + 99)])
  expect(await machine.read()).toMatchObject({
    ...{ expected: 100, stored: 73, missing: 27, dropped: 3, held: 14, lost: 10 },
    missingRanges: [
      lost(first + 30, first + 39),
      { from: first + 29, to: first + 29, state: 'held' },
      { from: first + 15, to: first + 27, state: 'held' },
      { from: first + 12, to: first + 14, state: 'dropped' },
    ],
  })
})

test('nothing is held by a gateway that is revoked, deleted, or silent for longer than events are kept', async () => {
  const machine = await newMachine('not-held')
  await machine.declare({ first, last: first + 9, dropped: [], pending: [[first, first + 9]] })
  expect(await machine.read({ now: now + 30 * DAY_MS })).toMatchObject({ held: 10 })
  expect(await machine.read({ now: now + 30 * DAY_MS + 1 })).toMatchObject({ held: 0, lost: 10 })
  await query(`update gateways set lifecycle = 'revoked' where id = $1`, [machine.gatewayId])
  expect(await machine.read()).toMatchObject({ held: 0, lost: 10 })
  await query('delete from gateways where id = $1', [machine.gatewayId])
  expect(await machine.read()).toMatchObject({ lost: 10, declared: [{ thingName: null }] })
})

test('heartbeats may come in any order and more than once: ranges never shrink, the newest says what is held', async () => {
  const machine = await newMachine('any-order')
  const beats = [
    { at: now - 30_000, ledger: { first, last: first + 4, dropped: [], pending: [] } },
    {
      at: now - 20_000,
      ledger: { first, last: first + 9, dropped: [[first, first]], pending: [[first + 2, first + 9]] },
    },
    {
      at: now,
      ledger: { first, last: first + 19, dropped: [[first + 3, first + 4]], pending: [[first + 18, first + 18]] },
    },
  ] satisfies { at: number; ledger: MachineLedger }[]
  for (const index of [1, 0, 2, 1, 0]) {
    await machine.declare(beats[index]!.ledger, { receivedAt: beats[index]!.at })
  }
  expect(await machine.read()).toMatchObject({ expected: 20, dropped: 3, held: 1, lost: 16 })
  const together = await newMachine('any-order-at-once')
  await declare(
    ...beats.toReversed().map(({ at, ledger }) => ({
      ...{ plantId: together.plantId, gatewayId: together.gatewayId, receivedAt: at, timestamp: at },
      ledger: { 'pump-1': ledger, 'no-such-machine': ledger },
    })),
  )
  expect(await together.read()).toMatchObject({ expected: 20, dropped: 3, held: 1, lost: 16 })
})

test('a heartbeat that says nothing new writes nothing', async () => {
  const machine = await newMachine('cheap')
  const version = async () => {
    const { rows } = await query<{ xmin: string }>('select xmin::text from declared_ranges where machine_id = $1', [
      machine.machineId,
    ])
    return rows[0]!.xmin
  }
  const ledger = { first, last: first + 9, dropped: [[first, first]], pending: [] } satisfies MachineLedger
  await machine.declare(ledger, { receivedAt: now - 10_000 })
  const before = await version()
  await machine.declare(ledger)
  expect(await version()).toBe(before)
  await machine.declare({ ...ledger, last: first + 10 })
  expect(await version()).not.toBe(before)
})

test('what was declared a moment ago is underway, not lost, until it had the time to arrive', async () => {
  const machine = await newMachine('underway')
  await machine.declare(
    { first, last: first + 9, dropped: [], pending: [[first + 2, first + 9]] },
    { receivedAt: now - 40_000 },
  )
  await machine.declare(
    { first, last: first + 19, dropped: [], pending: [[first + 15, first + 19]] },
    { receivedAt: now },
  )
  await machine.store([first, first + 4])
  // Of the first heartbeat: 1 is lost, 2..9 were held then. 10..19 are new.
  expect(await machine.read({ now })).toMatchObject({
    ...{ expected: 8, stored: 2, lost: 1, held: 5, underway: 12 },
    missingRanges: [{ from: first + 15, to: first + 19, state: 'held' }, lost(first + 1)],
  })
  expect(await machine.read({ now: now + 61_000 })).toMatchObject({
    expected: 20,
    stored: 2,
    held: 5,
    lost: 13,
    underway: 0,
  })
})

test('two gateways, one after the other or at once: their ranges are united', async () => {
  const machine = await newMachine('two-gateways')
  const other = uuid()
  await createGateway(system.database.master, { ...machine, gatewayId: other, thingName: 'two-gateways-2' })
  await machine.declare({ first, last: first + 9, dropped: [], pending: [[first + 9, first + 9]] })
  await machine.declare(
    { first: first + 5, last: first + 14, dropped: [], pending: [[first + 14, first + 14]] },
    { gatewayId: other },
  )
  const anew = { first: first + 500, last: first + 509, dropped: [], pending: [] }
  await machine.declare(anew, { gatewayId: other, receivedAt: now + 1 })
  await machine.store([...seqs(first, first + 7), ...seqs(first + 500, first + 508)])
  expect(await machine.read()).toMatchObject({
    ...{ expected: 25, stored: 17, held: 1, lost: 7 },
    declared: [
      { thingName: 'two-gateways-2', from: first + 500, to: first + 509 },
      { thingName: 'two-gateways-2', from: first + 5, to: first + 14 },
      { thingName: machine.thingName, from: first, to: first + 9 },
    ],
  })
})

test('a range of time: all between the readings around it, missing ones at its ends included', async () => {
  const machine = await newMachine('times')
  // Seq first + n is read at first + 1000 n; 4, 5, 10 and 19 are missing.
  const timeOf = (seq: number) => first + (seq - first) * 1000
  await machine.store(allBut(first, first + 19, first + 4, first + 5, first + 10, first + 19), timeOf)
  await machine.declare(
    { first, last: first + 19, dropped: [] },
    { timestamp: timeOf(first + 19), receivedAt: timeOf(first + 19) },
  )
  const read = (from?: number, to?: number) =>
    machine.read({ ...(from !== undefined && { from: first + from }), ...(to !== undefined && { to: first + to }) })

  expect(await read(6000, 10_000)).toMatchObject({
    ...{ expected: 7, stored: 4, lost: 3 },
    missingRanges: [lost(first + 10), lost(first + 4, first + 5)],
    declared: [{ from: first + 4, to: first + 10 }],
  })
  expect(await read(6001, 9000)).toMatchObject({ expected: 2, stored: 2, percent: 100 })
  expect(await read(6001, 9001)).toMatchObject({ expected: 4, stored: 3, lost: 1 })
  // Nothing was stored of it: what is missing may have been read then.
  expect(await read(4500, 4600)).toMatchObject({
    expected: 2,
    stored: 0,
    percent: 0,
    missingRanges: [lost(first + 4, first + 5)],
  })
  expect(await read(6500, 6600)).toMatchObject({ expected: 0, stored: 0, percent: null, missingRanges: [] })
  expect(await read(undefined, 3000)).toMatchObject({ expected: 3, stored: 3 })
  expect(await read(11_000)).toMatchObject({ expected: 10, stored: 8, lost: 2 })
  expect(await read(0, 19_001)).toMatchObject({ expected: 20, stored: 16 })
  // Before the outbox began, and after all that it has declared was read.
  expect(await read(-10_000, 0)).toMatchObject({ expected: 0, percent: null, declared: [] })
  expect(await read(19_000 + 300_001)).toMatchObject({ expected: 0, percent: null, declared: [] })
})

test('a range of time with a disk lost in it, before it and after it', async () => {
  const machine = await newMachine('times-disk')
  const outboxes = [first, first + 100_000, first + 200_000]
  for (const start of outboxes) {
    const timeOf = (seq: number) => start + (seq - start) * 1000
    await machine.store(allBut(start, start + 9, start + 5), timeOf)
    await machine.declare(
      { first: start, last: start + 9, dropped: [] },
      { timestamp: timeOf(start + 9), receivedAt: timeOf(start + 9) },
    )
  }
  const [one, two, three] = outboxes as [number, number, number]
  expect(await machine.read()).toMatchObject({ expected: 30, stored: 27 })
  expect(await machine.read({ from: one + 8000, to: three + 2000 })).toMatchObject({
    ...{ expected: 14, stored: 13, missingRanges: [lost(two + 5)] },
    declared: [
      { from: three, to: three + 1 },
      { from: two, to: two + 9 },
      { from: one + 8, to: one + 9 },
    ],
  })
})

test('two gateways that send at once: each outbox has its own part of a range of time', async () => {
  const machine = await newMachine('times-two')
  const other = uuid()
  await createGateway(system.database.master, { ...machine, gatewayId: other, thingName: 'times-two-2' })
  const second = first + 5000
  for (const [start, gatewayId] of [
    [first, machine.gatewayId],
    [second, other],
  ] as const) {
    const timeOf = (seq: number) => second + (seq - start) * 1000
    await machine.store(allBut(start, start + 19, start + 12), timeOf)
    await machine.declare(
      { first: start, last: start + 19, dropped: [] },
      { gatewayId, timestamp: timeOf(start + 19), receivedAt: timeOf(start + 19) },
    )
  }
  expect(await machine.read({ from: second + 10_000, to: second + 15_000 })).toMatchObject({
    ...{ expected: 10, stored: 8, missingRanges: [lost(second + 12), lost(first + 12)] },
    declared: [
      { from: second + 10, to: second + 14 },
      { from: first + 10, to: first + 14 },
    ],
  })
})

test('when events are gone the ledger still knows what was stored; a range of time reaches back to the oldest event', async () => {
  const machine = await newMachine('retention')
  const start = startOfToday - 20 * DAY_MS
  const [last, timeOf] = [start + 99, (seq: number) => start + (seq - start) * (DAY_MS / 10)]
  await machine.store(allBut(start, last, start + 3, start + 9, start + 10, start + 50), timeOf)
  await machine.declare({ first: start, last, dropped: [] }, { timestamp: timeOf(last), receivedAt: timeOf(last) })
  const before = await machine.read()
  expect(before).toMatchObject({ expected: 100, stored: 96, lost: 4 })
  const day = new Date(start).toISOString().slice(0, 10).replaceAll('-', '')
  await query(`drop table telemetry_events_${day}`)
  expect(await machine.read()).toEqual(before)
  // 9 and 10 stand beside the first event that is kept, 11; 3 is of the dropped day.
  const from = start + 1
  expect(await machine.read({ from })).toMatchObject({ expected: 91, stored: 88, lost: 3 })
  expect(await machine.read({ from, to: start + 5 * DAY_MS })).toMatchObject({ expected: 42, stored: 39, lost: 3 })
  expect(await machine.read({ from, to: start + DAY_MS / 2 })).toMatchObject({ expected: 2, stored: 0, lost: 2 })
  await query('select ensure_partitions($1::date, $1::date)', [day])
})

test('what was refused is in quarantine, as far as it tells its seq', async () => {
  const machine = await newMachine('in-quarantine')
  await machine.store(seqs(first, first + 4))
  await machine.declare({ first, last: first + 9, dropped: [] })
  const quarantine = (payload: string | Buffer, of = machine) =>
    quarantineMessage(system.quarantine.db, {
      ...{ messageId: uuid(), queue: 'telemetry', code: 'invalid_payload', message: 'no', topic: null },
      ...{ tenant: of.tenant, province: of.province, plant: of.plant, machine: 'pump-1', thingName: null },
      ...{ receivedAt: now, body: Buffer.from(payload), payload: Buffer.from(payload) },
    })
  await quarantine(`{"schemaVersion":1,"seq":${first + 3},"timestamp":1}`)
  await quarantine(`{"seq" : ${first + 6}, "values": {}}`)
  await quarantine(Buffer.concat([Buffer.from(`{"seq":${first + 8},`), Buffer.from([0xff, 0x00, 0xfe])]))
  await quarantine(`{"seq":${first + 7}`, await newMachine('in-quarantine-2'))
  await quarantine(`{"seq":"${first + 9}"}`)
  await quarantine('not json')
  expect(await machine.read()).toMatchObject({
    ...{ expected: 10, stored: 5, missing: 5, quarantined: 2, lost: 3 },
    missingRanges: [
      lost(first + 9),
      { from: first + 8, to: first + 8, state: 'quarantined' },
      lost(first + 7),
      { from: first + 6, to: first + 6, state: 'quarantined' },
      lost(first + 5),
    ],
  })
})

test('of a gateway without ledger it is only known what is stored', async () => {
  const machine = await newMachine('undeclared')
  await machine.store(allBut(first, first + 9, first + 4))
  expect(await machine.read()).toMatchObject({
    expected: 0,
    stored: 0,
    percent: null,
    undeclared: 9,
    missingRanges: [],
    declared: [],
  })
  await machine.declare({ first: first + 5, last: first + 9, dropped: [] })
  expect(await machine.read()).toMatchObject({ expected: 5, stored: 5, percent: 100, undeclared: 4 })
  expect(await machine.read({ from: first + 2, to: first + 8 })).toMatchObject({
    expected: 3,
    stored: 3,
    undeclared: 2,
  })
  expect(await machine.read({ from: first - 9, to: first })).toMatchObject({ expected: 0, stored: 0, undeclared: 0 })
})

test('blocks that are noted as full are counted without being read, and change no answer', async () => {
  const machine = await newMachine('full-blocks')
  const start = Math.ceil(first / 1024) * 1024
  await machine.store(allBut(start + 5, start + 6000, start + 3000))
  await machine.store([start + 6])
  await machine.declare({ first: start + 5, last: start + 6000, dropped: [], pending: [[start + 3000, start + 5000]] })
  const before = await machine.read()
  expect(before).toMatchObject({ expected: 5996, stored: 5995, held: 1, duplicates: 1 })
  const note = async () => {
    await query('select note_full_blocks()')
    const { rows } = await query<{ seqs: string }>('select seqs::text from full_seqs where machine_id = $1', [
      machine.machineId,
    ])
    return rows[0]?.seqs
  }
  const ranges = (...blocks: [number, number][]) =>
    `{${blocks.map(([from, until]) => `[${start + from * 1024},${start + until * 1024})`).join()}}`
  expect(await note()).toBe(ranges([1, 2], [3, 5]))
  expect(await machine.read()).toEqual(before)
  await machine.store([start + 3000])
  expect(await machine.read()).toMatchObject({ stored: 5996, missing: 0, missingRanges: [] })
  expect(await note()).toBe(ranges([1, 5]))
  expect(await machine.read()).toMatchObject({ stored: 5996, missing: 0, missingRanges: [] })
})

test('a gateway that makes up an outbox with every heartbeat is stopped, and its true ranges go on', async () => {
  const machine = await newMachine('made-up')
  const declarations = (count: number, start: number) =>
    Array.from({ length: count }, (_, index) => ({
      ...{ plantId: machine.plantId, gatewayId: machine.gatewayId, receivedAt: now, timestamp: now },
      ledger: { 'pump-1': { first: start + index * 10, last: start + index * 10, dropped: [] } },
    }))
  expect(await declare(...declarations(1000, first))).toBe(0)
  expect(await declare(...declarations(3, first + 1_000_000))).toBe(3)
  expect(await machine.declare({ first, last: first + 5, dropped: [] })).toBe(0)
  expect(await machine.read()).toMatchObject({ expected: 1005, lost: 1005, hasMoreRanges: false })
  await machine.declare({ first, last: first + 9_000_000_000_000, dropped: [] })
  expect(await machine.read()).toMatchObject({ lost: 9_000_000_000_001 })
})
