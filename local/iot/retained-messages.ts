import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { Aedes } from 'aedes'
import * as v from 'valibot'

const SAVE_AFTER_MS = 5_000

const Saved = v.record(v.string(), v.pipe(v.string(), v.base64()))

/** Lets retained messages survive a restart; after kill -9 the newest few seconds are as they were before. */
export function keepRetainedMessages(broker: Aedes, file: string): { save(): void } {
  const byTopic = new Map(
    Object.entries(existsSync(file) ? v.parse(Saved, JSON.parse(readFileSync(file, 'utf8'))) : {}),
  )
  for (const [topic, payload] of byTopic) {
    broker.publish(
      { cmd: 'publish', topic, payload: Buffer.from(payload, 'base64'), qos: 1, retain: true, dup: false },
      (error) => {
        if (error) throw error
      },
    )
  }
  let timer: NodeJS.Timeout | undefined
  const save = () => {
    clearTimeout(timer)
    timer = undefined
    writeFileSync(`${file}.new`, JSON.stringify(Object.fromEntries(byTopic)))
    renameSync(`${file}.new`, file)
  }
  broker.on('publish', (packet, client) => {
    if (!client || !packet.retain) return
    if (packet.payload.length === 0) byTopic.delete(packet.topic)
    else byTopic.set(packet.topic, Buffer.from(packet.payload).toString('base64'))
    timer ??= setTimeout(save, SAVE_AFTER_MS)
  })
  return { save }
}
