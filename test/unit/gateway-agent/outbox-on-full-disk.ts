// Child of the full disk test: its folder is a small disk of its own. Stores, has others fill the disk to the last byte,
// stores on, and prints what the outbox then holds.
import { appendFileSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { Outbox } from '../../../gateway-agent/src/outbox.ts'

const folder = process.argv[2]!
const outbox = new Outbox(join(folder, 'outbox.sqlite'), { maxMegabytes: 1000, minFreeMegabytes: 2 })
const text = 'x'.repeat(200)
let failures = 0
function add(from: number, to: number): void {
  for (let number = from; number <= to; number += 1) {
    try {
      outbox.add([{ machine: 'pump-1', timestamp: Date.now(), values: { number, text } }])
    } catch (error) {
      failures += 1
      if (!/full/.test((error as Error).message)) throw error
    }
  }
}

add(1, 5000)
try {
  for (;;) appendFileSync(join(folder, 'others'), Buffer.alloc(4096))
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
}
const { bavail } = statfsSync(folder)
add(5001, 25_000)
const kept = outbox.peek({ after: 0, until: outbox.lastId, limit: 100_000 })
const numbers = kept.map(({ payload }) => (JSON.parse(payload) as { values: { number: number } }).values.number)
console.log(JSON.stringify({ bavail, failures, count: outbox.count, numbers, ledger: outbox.ledger() }))
