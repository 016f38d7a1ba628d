import { defineStore } from 'pinia'
import { ref } from 'vue'

/** A computer's clock that is wrong by more than this is corrected; less is the network's delay and rounding. */
const TRUSTED_WITHIN_MS = 3_000

/**
 * The one clock of the page. Whatever shows an age reads `now`, which moves once a second, so a value becomes stale on
 * the screen without a message from anywhere. It is the cloud's time, as the answers' Date headers give it: many
 * computers of a plant have a wrong clock.
 */
export const useClock = defineStore('clock', () => {
  const now = ref(Date.now())
  let offsetMs = 0

  /** The time to the millisecond, for what happens between two ticks. */
  function read(): number {
    return Date.now() + offsetMs
  }

  function tick(): void {
    now.value = read()
  }

  /** `serverNow`: epoch ms, exact to the second. */
  function correct(serverNow: number): void {
    const differenceMs = serverNow - Date.now()
    offsetMs = Math.abs(differenceMs) > TRUSTED_WITHIN_MS ? differenceMs : 0
    tick()
  }

  /** Returns what stops it. */
  function start(): () => void {
    const timer = setInterval(tick, 1000)
    return () => clearInterval(timer)
  }

  return { now, read, tick, correct, start }
})
