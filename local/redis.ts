/** Redis 7: the one of `REDIS_URL`, else a child process whose data survives a restart. */
import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'redis'
import { freePort } from './ports.ts'
import { end, endLeftover, remember } from './processes.ts'
import { redisBinary } from './redis-binary.ts'

export interface Redis {
  url: string
  stop(): Promise<void>
}

/** Where its process is remembered. */
export const redisPidFile = (dataDir: string) => join(dataDir, 'server.json')

const READY_WITHIN_MS = 15_000

/** Starts the server on the data in `dataDir`; one that an earlier run left behind is ended first. */
export async function startRedis(options: { dataDir: string; port?: number }): Promise<Redis> {
  if (process.env.REDIS_URL) return useRedis(process.env.REDIS_URL)
  const dataDir = resolve(options.dataDir)
  mkdirSync(dataDir, { recursive: true })
  const pidFile = redisPidFile(dataDir)
  await endLeftover(pidFile, 'SIGTERM')
  const { file, env } = redisBinary()
  const port = await freePort(options.port)
  const logFile = join(dataDir, 'server.log')
  const log = openSync(logFile, 'w')
  const settings = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', '', '--daemonize', 'no']
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dataDir, ...settings]
  // Detached: Ctrl-C in the terminal must not reach it before its clients have stopped.
  const child = spawn(file, args, { env, detached: true, stdio: ['ignore', log, log] })
  closeSync(log)
  const failed = new Promise<Error>((done) => child.once('error', done))
  if (child.pid === undefined) throw new Error(`${file} cannot be run`, { cause: await failed })
  const { pid } = child
  remember(pidFile, pid)
  const url = `redis://127.0.0.1:${port}`
  const deadline = Date.now() + READY_WITHIN_MS
  while (!(await answers(url))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await end(pid, 'SIGKILL')
      throw new Error(`Redis did not start. Its log ${logFile}:\n${readFileSync(logFile, 'utf8').slice(-2000)}`)
    }
    await sleep(20)
  }
  return { url, stop: () => end(pid, 'SIGTERM') }
}

async function useRedis(url: string): Promise<Redis> {
  if (!(await answers(url))) throw new Error(`REDIS_URL is set, but no Redis answers there: ${new URL(url).host}`)
  return { url, stop: () => Promise.resolve() }
}

async function answers(url: string): Promise<boolean> {
  const client = createClient({ url, socket: { reconnectStrategy: false, connectTimeout: 5000 } })
  client.on('error', () => undefined) // connect() rejects with the same error
  try {
    await client.connect()
    // -LOADING while it reads the append-only file.
    return (await client.ping()) === 'PONG'
  } catch {
    return false
  } finally {
    client.destroy()
  }
}
