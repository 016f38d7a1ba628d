import { setTimeout as sleep } from 'node:timers/promises'

/** Polls until `condition` holds; a failure names what was waited for. */
export async function waitFor(what: string, condition: () => boolean, limitMs = 10_000): Promise<void> {
  const deadline = performance.now() + limitMs
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms in vain: ${what}`)
    await sleep(5)
  }
}
