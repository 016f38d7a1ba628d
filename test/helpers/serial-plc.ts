import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ServerSerial } from 'modbus-serial'
import type { Tamper } from './tampered-line.ts'

const { ServerSerial: Constructor } = createRequire(import.meta.url)('modbus-serial') as {
  ServerSerial: new (vector: object, options: object) => ServerSerial
}

/** Silence by which the server sees the end of a request. */
const REQUEST_END_MS = 3

export interface SerialPlc {
  /** The agent's end of the line: a link, which stays the same when the adapter is plugged in again. */
  path: string
  /** Register `offset` of unit `unitId`. */
  holding: (offset: number, unitId: number) => number
  /** Units that do not answer. */
  silent: Set<number>
  /** Units in the order in which they were asked, one entry per register. */
  asked: number[]
  tamper: Tamper
  /** Pulls the adapter out; `plugIn` gives it back under the same name. */
  pullOut: () => Promise<void>
  plugIn: () => Promise<void>
  stop: () => Promise<void>
}

/** A pseudo terminal: what is written to the child's stdin is read at `path`, and the other way round. */
async function openTerminal(): Promise<{ child: ChildProcess; path: string }> {
  // script is part of every Debian (bsdutils).
  const child = spawn('script', ['-qfc', 'stty raw -echo; tty; exec sleep infinity', '/dev/null'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  child.stdin.on('error', () => undefined)
  const [path] = (await once(child.stdout, 'data')) as [Buffer]
  return { child, path: path.toString().trim() }
}

/** A real Modbus RTU server with all unit ids, at the other end of a pair of pseudo terminals. */
export async function startSerialPlc(): Promise<SerialPlc> {
  const folder = mkdtempSync(join(tmpdir(), 'serial-plc-'))
  const path = join(folder, 'ttyUSB0')
  const far = await openTerminal()
  let near: ChildProcess | undefined
  const plc: SerialPlc = {
    path,
    holding: (offset) => offset,
    silent: new Set(),
    asked: [],
    tamper: (answer, pass) => pass(answer),
    async pullOut() {
      rmSync(path, { force: true })
      if (near) await end(near)
      near = undefined
    },
    async plugIn() {
      const terminal = await openTerminal()
      near = terminal.child
      near.stdout!.on('data', (request: Buffer) => far.child.stdin!.write(request))
      symlinkSync(terminal.path, path)
    },
    async stop() {
      await plc.pullOut()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await end(far.child)
      rmSync(folder, { recursive: true })
    },
  }
  far.child.stdout!.on('data', (answer: Buffer) => plc.tamper(answer, (bytes) => near?.stdin!.write(bytes)))
  await plc.plugIn()
  const server = new Constructor(
    {
      getHoldingRegister(offset: number, unitId: number) {
        plc.asked.push(unitId)
        return plc.silent.has(unitId) ? new Promise(() => undefined) : plc.holding(offset, unitId)
      },
      getCoil: (offset: number) => offset % 3 === 0,
    },
    { path: far.path, baudRate: 115_200, unitID: 255, interval: REQUEST_END_MS },
  )
  await once(server, 'initialized')
  return plc
}

async function end(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close')
  child.kill('SIGKILL')
  await closed
}
