import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Outbox, type Reading, type StoredMessage } from '../../../gateway-agent/src/outbox.ts'
import { MOST_LISTED_MESSAGES } from '../../../gateway-agent/src/pending-ranges.ts'
import { MAX_PENDING_RANGES } from '../../../schemas/status.ts'
import type { TelemetryV1 } from '../../../schemas/telemetry.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { waitFor } from './wait-for.ts'

const reading = (machine: string, values: Reading['values'] = { a: 1 }): Reading => ({
  machine,
  timestamp: 1736359200000,
  values,
})
const contentOf = ({ payload }: StoredMessage) => JSON.parse(payload) as TelemetryV1
const all = (outbox: Outbox) => outbox.peek({ after: 0, until: outbox.lastId, limit: 1_000_000 })

function open(file: string, maxMegabytes = 100): Outbox {
  const outbox = new Outbox(file, { maxMegabytes })
  onTestFinished(() => {
    try {
      outbox.close()
    } catch {
      // The test has closed it.
    }
  })
  return outbox
}

describe('the outbox', { timeout: 30_000 }, () => {
  it('begins the seqs of each machine at the present time, and counts on by one over restarts', () => {
    const file = join(temporaryFolder(), 'outbox.sqlite')
    const before = Date.now()
    const first = open(file)
    first.add([reading('pump-1'), reading('pump-1'), reading('robot-2')])
    first.close()
    const outbox = open(file)
    outbox.add([reading('pump-1')])
    const messages = all(outbox)
    const seqs = messages.filter(({ machine }) => machine === 'pump-1').map((message) => contentOf(message).seq)
    expect(seqs[0]).toBeGreaterThanOrEqual(before)
    expect(seqs).toEqual([seqs[0], seqs[0]! + 1, seqs[0]! + 2])
    expect(outbox.count).toBe(4)
    const { seq } = contentOf(messages[2]!)
    expect(outbox.ledger()).toEqual({
      'pump-1': { first: seqs[0], last: seqs[2], dropped: [], pending: [[seqs[0], seqs[2]]] },
      'robot-2': { first: seq, last: seq, dropped: [], pending: [[seq, seq]] },
    })
  })

  it('writes a message as the contract wants it', () => {
    const outbox = open(join(temporaryFolder(), 'outbox.sqlite'))
    const content = { timestamp: 5, values: { a: 1, b: null }, quality: { b: 'bad' as const }, units: { a: '°C' } }
    outbox.add([reading('pump-1'), { machine: 'pump-1', ...content }])
    const [plain, whole] = all(outbox).map(contentOf)
    expect(whole).toEqual({ schemaVersion: 1, seq: plain!.seq + 1, ...content })
    expect(Object.keys(plain!)).toEqual(['schemaVersion', 'timestamp', 'seq', 'values'])
  })

  it('keeps what it was given, and its seqs after all was removed', () => {
    const file = join(temporaryFolder(), 'outbox.sqlite')
    const outbox = open(file)
    outbox.add([{ ...reading('pump-1', { a: null, b: 'RUN', c: true }), quality: { a: 'bad' } }])
    const [message] = all(outbox)
    const { seq } = contentOf(message!)
    expect(contentOf(message!)).toEqual({
      schemaVersion: 1,
      timestamp: 1736359200000,
      seq,
      values: { a: null, b: 'RUN', c: true },
      quality: { a: 'bad' },
    })
    outbox.remove([message!.id, message!.id + 1])
    expect(outbox.count).toBe(0)
    outbox.close()
    const again = open(file)
    again.add([reading('pump-1')])
    expect(contentOf(all(again)[0]!).seq).toBe(seq + 1)
    expect(all(again)[0]!.id).toBeGreaterThan(message!.id)
  })

  it('counts what it takes of the disk, whatever the size of a message, so that a runway is true', () => {
    for (const [tags, messages] of [
      [1, 10_000],
      [10, 4000],
      [100, 1000],
    ] as const) {
      const outbox = open(join(temporaryFolder(), 'outbox.sqlite'))
      const values = Object.fromEntries(Array.from({ length: tags }, (_, tag) => [`tag_${tag}`, tag + 1 / 3]))
      outbox.add(Array.from({ length: messages }, () => reading('pump-1', values)))
      const { usedBytes, addedBytes, roomBytes, maxBytes } = outbox.extent
      expect(addedBytes / usedBytes).toBeCloseTo(1, 1)
      expect(roomBytes).toBe(maxBytes - usedBytes)
    }
  })

  it('peeks oldest first, between two ids', () => {
    const outbox = open(join(temporaryFolder(), 'outbox.sqlite'))
    outbox.add([1, 2, 3, 4, 5].map((a) => reading('pump-1', { a })))
    expect(outbox.peek({ after: 1, until: 4, limit: 2 }).map(({ id }) => id)).toEqual([2, 3])
    expect(outbox.peek({ after: 3, until: 4, limit: 9 }).map(({ id }) => id)).toEqual([4])
  })

  it('drops the oldest when it is full, and declares exactly those', () => {
    const outbox = open(join(temporaryFolder(), 'outbox.sqlite'), 1)
    const text = 'x'.repeat(200)
    const ADDED = 8000
    const four = ['pump-1', 'pump-1', 'robot-2', 'pump-1'].map((machine) => reading(machine, { text }))
    for (let index = 0; index < ADDED; index += 20) outbox.add(Array.from({ length: 5 }, () => four).flat())
    const left = all(outbox)
    expect(left.length).toBe(outbox.count)
    expect(left.length).toBeGreaterThan(1000)
    expect(left.length).toBeLessThan(ADDED)
    for (const [machine, { first, last, dropped, pending }] of Object.entries(outbox.ledger())) {
      const kept = left.filter((message) => message.machine === machine).map((message) => contentOf(message).seq)
      expect(dropped).toEqual([[first, kept[0]! - 1]])
      expect(pending).toEqual([[kept[0]!, last]])
      expect(kept).toEqual(Array.from({ length: last - kept[0]! + 1 }, (_, index) => kept[0]! + index))
    }
  })

  it('declares what waits: exactly while it is little, never less than it holds', () => {
    const outbox = open(join(temporaryFolder(), 'outbox.sqlite'))
    outbox.add(Array.from({ length: 100 }, () => [reading('pump-1'), reading('robot-2')]).flat())
    const { first, last } = outbox.ledger()['pump-1']!
    outbox.remove([1, 3, 9, ...Array.from({ length: 100 }, (_, index) => 2 * index + 2)])
    expect(outbox.ledger()).toMatchObject({
      'pump-1': {
        pending: [
          [first + 2, first + 3],
          [first + 5, last],
        ],
      },
      'robot-2': { pending: [] },
    })
    // Two ranges, and 46 single messages.
    outbox.remove(Array.from({ length: 46 }, (_, index) => 4 * index + 17))
    const { pending } = outbox.ledger()['pump-1']!
    expect(pending).toHaveLength(MAX_PENDING_RANGES)
    expect(pending!.at(-1)).toEqual([last, last])
    for (const { seq } of all(outbox).map(contentOf)) {
      expect(pending!.some(([from, to]) => from <= seq && seq <= to)).toBe(true)
    }
    outbox.add(Array.from({ length: MOST_LISTED_MESSAGES }, () => reading('robot-2')))
    expect(outbox.ledger()).toMatchObject({
      'pump-1': { pending: [[first + 2, last]] },
      'robot-2': { pending: [[expect.any(Number), outbox.ledger()['robot-2']!.last]] },
    })
  })

  it('moved, it declares anew: what waits, to the seq, and what is read from then on', () => {
    const file = join(temporaryFolder(), 'outbox.sqlite')
    const before = open(file)
    before.declareTo('factory/a/b/north/{machine}/telemetry')
    before.add(Array.from({ length: 10 }, () => [reading('pump-1'), reading('robot-2')]).flat())
    before.add([reading('gone-3')])
    const pump = before.ledger()['pump-1']!.first
    const robot = before.ledger()['robot-2']!.first
    // Of pump-1 the seqs 0 to 2 and 5 have been sent, of gone-3 all.
    before.remove([1, 3, 5, 11, 21])
    for (let time = 1; time <= 2; time += 1) before.declareTo('factory/a/b/south/{machine}/telemetry')
    const carried = [
      [pump + 3, pump + 4],
      [pump + 6, pump + 9],
    ]
    expect(before.ledger()).toEqual({
      'pump-1': { first: pump + 6, last: pump + 9, dropped: [], pending: carried, carried: [carried[0]] },
      'robot-2': { first: robot, last: robot + 9, dropped: [], pending: [[robot, robot + 9]], carried: [] },
    })
    before.close()
    const outbox = open(file)
    outbox.add([reading('pump-1'), reading('pump-1')])
    outbox.remove([7, 9, 22])
    expect(outbox.ledger()['pump-1']).toEqual({
      ...{ first: pump + 10, last: pump + 11, dropped: [], carried },
      pending: [
        [pump + 6, pump + 9],
        [pump + 11, pump + 11],
      ],
    })
    outbox.dropAll()
    expect(outbox.ledger()['pump-1']).toMatchObject({
      ...{ carried, pending: [] },
      dropped: [
        [pump + 6, pump + 9],
        [pump + 11, pump + 11],
      ],
    })
    outbox.declareTo('factory/a/b/east/{machine}/telemetry')
    expect(outbox.ledger()).toEqual({})
  })

  it('belongs to one agent at a time', () => {
    const file = join(temporaryFolder(), 'outbox.sqlite')
    open(file).add([reading('pump-1')])
    expect(() => new Outbox(file, { maxMegabytes: 1 })).toThrow(/another gateway-agent is running with this dataDir/)
  })

  it('kill -9 while adding loses nothing that add has returned for, and invents nothing', async () => {
    const file = join(temporaryFolder(), 'outbox.sqlite')
    let printed = ''
    for (let round = 1; round <= 3; round += 1) {
      printed = ''
      const child = spawn(process.execPath, [join(import.meta.dirname, 'outbox-writer.ts'), file])
      child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()))
      await waitFor('some readings', () => printed.split('\n').length > 20 * round)
      child.kill('SIGKILL')
      await once(child, 'close')
      const committed = Number(printed.trim().split('\n').at(-1))
      const outbox = open(file)
      const messages = all(outbox).map(contentOf)
      const { first, last } = outbox.ledger()['pump-1']!
      expect(messages.map(({ seq }) => seq)).toEqual(
        Array.from({ length: last - first + 1 }, (_, index) => first + index),
      )
      const ofThisRound = messages.slice(messages.findLastIndex(({ values }) => values.number === 1))
      // The kill may have come between the commit and the line that tells of it.
      expect([committed, committed + 1]).toContain(ofThisRound.length)
      expect(ofThisRound.map(({ values }) => values.number)).toEqual(ofThisRound.map((_, index) => index + 1))
      outbox.close()
    }
  })
})
