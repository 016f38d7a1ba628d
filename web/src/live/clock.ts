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

  /** `serverNow`: epoch ms, exact to the second; `askedAt`: what this computer's clock showed before the question. */
  function correct(serverNow: number, askedAt: number): void {
    const leastMs = serverNow - Date.now()
    // An answer takes its time, and a whole night where the computer sleeps meanwhile.
    const mostMs = serverNow - askedAt
    const canBe = (ms: number) => ms >= leastMs - TRUSTED_WITHIN_MS && ms <= mostMs + TRUSTED_WITHIN_MS
    offsetMs = [0, offsetMs].find(canBe) ?? leastMs
    tick()
  }

  /** Returns what stops it. */
  function start(): () => void {
    const timer = setInterval(tick, 1000)
    return () => clearInterval(timer)
  }

  return { now, read, tick, correct, start }
})
