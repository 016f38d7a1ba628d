import { promisify } from 'node:util'
import type { Agent } from './agent.ts'
import { messageOf } from './failure.ts'

/** A device's cycle never takes this long: its time-outs are at most a minute each, and one that is lost ends the cycle. */
const LONGEST_CYCLE_MS = 600_000

/**
 * Tells systemd that the agent is ready, and that it is well as long as its event loop turns and every poller gets on.
 * systemd restarts it when it has heard nothing for WatchdogSec. sd_notify(3) is a datagram to a unix socket, which Node
 * cannot send: `systemd-notify` does, which comes with every systemd. Does nothing outside a service.
 */
export async function startWatchdog({ polling, log }: Agent): Promise<() => Promise<void>> {
  const { NOTIFY_SOCKET, WATCHDOG_USEC } = process.env
  if (!NOTIFY_SOCKET) return () => Promise.resolve()
  const run = promisify((await import('node:child_process')).execFile)
  const tell = (...state: string[]) =>
    run('systemd-notify', state).catch((error: unknown) =>
      log.warnOften('watchdog', `watchdog: systemd-notify: ${messageOf(error)}`),
    )
  const ready = tell('--ready')
  const isWell = () => [...polling.devices].every(({ poller }) => poller.busyMs < LONGEST_CYCLE_MS)
  // Thrice within the time that systemd allows.
  const intervalMs = Number(WATCHDOG_USEC ?? 0) / 1000 / 3
  const timer = intervalMs > 0 ? setInterval(() => isWell() && void tell('WATCHDOG=1'), intervalMs) : undefined
  return async () => {
    clearInterval(timer)
    await ready
    await tell('STOPPING=1')
  }
}
