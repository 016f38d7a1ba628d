// Child of the kill -9 test: adds readings for ever, and prints the number of each one after `add` has returned.
import { writeSync } from 'node:fs'
import { Outbox } from '../../../gateway-agent/src/outbox.ts'

const outbox = new Outbox(process.argv[2]!, { maxMegabytes: 100 })
for (let number = 1; ; number += 1) {
  outbox.add([{ machine: 'pump-1', timestamp: Date.now(), values: { number } }])
  writeSync(1, `${number}\n`)
}
