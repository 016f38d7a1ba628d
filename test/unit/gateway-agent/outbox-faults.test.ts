import { execFileSync, spawnSync } from 'node:child_process'
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Outbox, type OutboxLimits } from '../../../gateway-agent/src/outbox.ts'
import { replaceOutboxFile, type SetAside } from '../../../gateway-agent/src/outbox-file.ts'
import type { MachineLedger } from '../../../schemas/status.ts'
import type { TelemetryV1 } from '../../../schemas/telemetry.ts'
import { temporaryFolder } from './temporary-folder.ts'

function open(file: string, limits: Partial<OutboxLimits> = {}) {
  const asides: SetAside[] = []
  const outbox = new Outbox(file, { maxMegabytes: 100, ...limits }, (aside) => asides.push(aside))
  onTestFinished(() => outbox.close())
  return { outbox, asides }
}
const add = (outbox: Outbox, ...numbers: number[]) =>
  outbox.add(numbers.map((number) => ({ machine: 'pump-1', timestamp: 5, values: { number, text: 'x'.repeat(200) } })))
const all = (outbox: Outbox) =>
  outbox
    .peek({ after: 0, until: outbox.lastId, limit: 1_000_000 })
    .map(({ payload }) => JSON.parse(payload) as TelemetryV1)
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

/** Overwrites part of a file with rubbish, as a failing disk does. */
function damage(file: string, from: number, bytes: number): void {
  const descriptor = openSync(file, 'r+')
  writeSync(descriptor, Buffer.alloc(bytes, 0x5a), 0, bytes, from)
  closeSync(descriptor)
}

describe('a damaged outbox', () => {
  it('that is no database is set aside under another name, and a new one begins at the present time', () => {
    const folder = temporaryFolder()
    const file = join(folder, 'outbox.sqlite')
    writeFileSync(file, 'rubbish'.repeat(1000))
    const before = Date.now()
    const { outbox, asides } = open(file)
    add(outbox, 1)
    expect(all(outbox)[0]!.seq).toBeGreaterThanOrEqual(before)
    expect(asides).toHaveLength(1)
    expect(outbox.setAside).toEqual(asides[0])
    expect(readFileSync(join(folder, asides[0]!.file), 'utf8')).toContain('rubbish')
  })

  it.each(['', '-wal'])('whose setting aside is broken off at outbox.sqlite%s gives out no seq again', (suffix) => {
    const folder = temporaryFolder()
    const original = join(temporaryFolder(), 'outbox.sqlite')
    const first = new Outbox(original, { maxMegabytes: 100 })
    add(first, 1)
    first.close()
    const { outbox } = open(original)
    add(outbox, 2, 3)
    const last = all(outbox).at(-1)!.seq
    // As a power cut leaves it: what was committed last is in the log alone.
    const file = join(folder, 'outbox.sqlite')
    for (const one of ['', '-wal']) copyFileSync(original + one, file + one)
    const now = vi.spyOn(Date, 'now').mockReturnValue(last + 1)
    onTestFinished(() => now.mockRestore())
    mkdirSync(join(folder, `outbox.corrupt-${last + 1}.sqlite${suffix}`)) // no file can take this name
    expect(() => replaceOutboxFile(file)).toThrow('cannot be set aside')
    const { outbox: again } = open(file)
    add(again, 4)
    expect(all(again).at(-1)!.seq).toBeGreaterThan(last)
  })

  it('is said until somebody has removed the file', () => {
    const folder = temporaryFolder()
    const file = join(folder, 'outbox.sqlite')
    writeFileSync(file, 'rubbish'.repeat(1000))
    const first = new Outbox(file, { maxMegabytes: 100 })
    first.close()
    const { outbox, asides } = open(file)
    expect(asides).toEqual([])
    expect(outbox.setAside).toEqual(first.setAside)
  })

  it('that shows only in the middle of reading: no seq and no id is used twice, and storing goes on', () => {
    const folder = temporaryFolder()
    const file = join(folder, 'outbox.sqlite')
    const made = new Outbox(file, { maxMegabytes: 100 })
    for (let number = 1; number <= 5000; number += 100) add(made, ...range(number, number + 99))
    const { last } = made.ledger()['pump-1']!
    const { lastId } = made
    made.close()
    // The first pages hold the tables' roots; messages come after them.
    damage(file, 300_000, 500_000)

    const { outbox, asides } = open(file)
    expect(outbox.count).toBe(5000)
    outbox.peek({ after: 0, until: outbox.lastId, limit: 10_000 })
    expect(asides).toHaveLength(1)
    expect(statSync(join(folder, asides[0]!.file)).size).toBeGreaterThan(500_000)
    expect(outbox.count).toBe(0)
    expect(outbox.ledger()).toEqual({})
    add(outbox, 1, 2)
    const { first, ...ledger } = outbox.ledger()['pump-1']!
    expect(first).toBeGreaterThan(last)
    expect(ledger).toEqual({ last: first + 1, dropped: [], pending: [[first, first + 1]] })
    expect(outbox.lastId).toBe(lastId + 2)
    expect(all(outbox).map(({ values }) => values.number)).toEqual([1, 2])
  })
})

describe('the format of the file', () => {
  it('of an older agent is migrated, with its messages and seqs', () => {
    const file = join(temporaryFolder(), 'outbox.sqlite')
    const old = new DatabaseSync(file)
    old.exec(`
      create table message (id integer primary key autoincrement, machine text not null, seq integer not null, payload text not null) strict;
      create table machine (slug text primary key, first integer not null, next integer not null) strict, without rowid;
      create table dropped (machine text not null, first integer not null, last integer not null, primary key (machine, first)) strict, without rowid;
      insert into message (id, machine, seq, payload) values (7, 'pump-1', 1002, '{"seq":1002}'), (8, 'pump-1', 1003, '{"seq":1003}');
      insert into machine values ('pump-1', 1000, 1004);
      insert into dropped values ('pump-1', 1000, 1001);
      pragma user_version = 1`)
    old.close()
    const { outbox } = open(file)
    add(outbox, 1)
    expect(outbox.count).toBe(3)
    expect(all(outbox).map(({ seq }) => seq)).toEqual([1002, 1003, 1004])
    expect(outbox.ledger()['pump-1']).toMatchObject({ first: 1000, last: 1004, dropped: [[1000, 1001]] })
    expect(outbox.extent.droppedCount).toBe(2)
  })

  it('of a newer agent is refused, and left as it is', () => {
    const folder = temporaryFolder()
    const file = join(folder, 'outbox.sqlite')
    const newer = new DatabaseSync(file)
    newer.exec('create table message (id integer); pragma user_version = 99')
    newer.close()
    expect(() => new Outbox(file, { maxMegabytes: 1 })).toThrow(/its format is 99, .*; install the newer agent/)
    const after = new DatabaseSync(file)
    expect(after.prepare('pragma user_version').get()).toEqual({ user_version: 99 })
    after.close()
    expect(readdirSync(folder).filter((name) => name.includes('corrupt'))).toEqual([])
  })
})

const canMount = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0

describe('a disk without room', { timeout: 60_000 }, () => {
  it('that is low lets the outbox grow no more: the oldest go and are declared', () => {
    const file = join(temporaryFolder(), 'outbox.sqlite')
    const { outbox } = open(file, { minFreeMegabytes: 1e12 })
    for (let number = 1; number <= 12_000; number += 50) add(outbox, ...range(number, number + 49))
    expect(statSync(file).size).toBeLessThan(3_000_000)
    const kept = all(outbox)
    const { first, last, dropped } = outbox.ledger()['pump-1']!
    expect(kept.map(({ seq }) => seq)).toEqual(range(kept[0]!.seq, last))
    expect(dropped).toEqual([[first, kept[0]!.seq - 1]])
    expect(outbox.extent.droppedCount).toBe(12_000 - kept.length)
    expect(kept.length).toBeGreaterThan(2000)
    expect(outbox.extent.roomBytes).toBeLessThan(1_000_000)
  })

  it.skipIf(!canMount)('that others have filled to the last byte: the newest readings are still stored', () => {
    const folder = temporaryFolder()
    const program = join(import.meta.dirname, 'outbox-on-full-disk.ts')
    const script = `mount -t tmpfs -o size=20m none ${folder} && exec ${process.execPath} ${program} ${folder}`
    const output = execFileSync('unshare', ['-rm', 'sh', '-c', script], { encoding: 'utf8', maxBuffer: 100_000_000 })
    const { bavail, failures, count, numbers, ledger } = JSON.parse(output) as {
      bavail: number
      failures: number
      count: number
      numbers: number[]
      ledger: Record<string, MachineLedger>
    }
    expect(bavail).toBe(0)
    expect(failures).toBe(0)
    expect(numbers).toHaveLength(count)
    expect(numbers).toEqual(range(25_001 - count, 25_000))
    const { first, last, dropped } = ledger['pump-1']!
    expect([first, last]).toEqual([last - 24_999, last])
    expect(dropped).toEqual([[first, last - count]])
  })
})
