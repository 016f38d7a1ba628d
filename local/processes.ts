/**
 * What the operating system knows about a process. Child processes of a run that was ended by kill -9 live on; the next
 * run finds them by the files written here and ends them. A pid alone proves nothing, because pids are used again:
 * a process is the same one only when it also started at the same moment.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** When the process started, in the system's own words; `undefined` when it is gone or a zombie (dead, not yet waited for). */
export function startOf(pid: number): string | undefined {
  if (process.platform !== 'linux') return startByPs(pid)
  const stat = readIfThere(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  // The second field is the program's name in brackets, which may itself hold blanks: proc(5).
  const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return state === 'Z' || state === 'X' ? undefined : rest[18]
}

/** Program and arguments in one line; empty for a process that is gone. */
export function commandLineOf(pid: number): string {
  if (process.platform === 'linux') return (readIfThere(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ')
  return ps(pid, 'command=')
}

/** Keeps who runs, for `endLeftover` of a later run. */
export function remember(file: string, pid: number): void {
  writeFileSync(file, JSON.stringify({ pid, started: startOf(pid) }))
}

/** The remembered process when it still runs. */
export function remembered(file: string): number | undefined {
  const text = readIfThere(file)
  if (!text) return undefined
  const { pid, started } = JSON.parse(text) as { pid: number; started?: string }
  return started !== undefined && startOf(pid) === started ? pid : undefined
}

/** Ends the process that an earlier run remembered in `file`, when it still runs. */
export async function endLeftover(file: string, signal: NodeJS.Signals): Promise<void> {
  const pid = remembered(file)
  if (pid !== undefined) await end(pid, signal)
  rmSync(file, { force: true })
}

/** Sends `signal`, and SIGKILL when the process is still there after `graceMs`. */
export async function end(pid: number, signal: NodeJS.Signals, graceMs = 10_000): Promise<void> {
  const started = startOf(pid)
  if (started === undefined) return
  process.kill(pid, signal)
  const deadline = Date.now() + graceMs
  while (startOf(pid) === started) {
    if (Date.now() > deadline) process.kill(pid, 'SIGKILL')
    await sleep(20)
  }
}

function startByPs(pid: number): string | undefined {
  const line = ps(pid, 'stat=,lstart=')
  return line === '' || line.startsWith('Z') ? undefined : line.slice(line.indexOf(' ') + 1).trim()
}

function ps(pid: number, columns: string): string {
  try {
    return execFileSync('ps', ['-o', columns, '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return '' // ps ends with 1 when there is no such process
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}
