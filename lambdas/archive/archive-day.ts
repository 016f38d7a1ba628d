/**
 * Puts a (tenant, UTC day) into the archive, in steps each of which may be the last one of a run:
 *
 *   tidy      objects that the manifest does not name go: a run that died may have left them
 *   add       the messages that are not in the archive yet, file by file. A file is in the manifest once it was read back
 *             and counted, in the transaction that remembers its seqs: no message gets there twice, and none is left out
 *
 * and, when nobody writes the day any more,
 *
 *   compact   a day that has late files is written anew beside the table, and takes the place of what is there
 *   verify    every file is read back and counted once more, and the sum is what Postgres holds. Then it may be dropped
 *
 * Of a day that was dropped and has got more since, because the retention was raised, Postgres does not hold what is in its files: these
 * stay as they are, and what came is added.
 *
 * The day is leased for as long as a run may take, so two never work on it.
 */
import { queuedMachines, unqueue } from '../data/archive-queue.ts'
import { askForCompaction, countStored, type DueDay, hasLateFiles, leaveDay, takeDay } from '../data/archive-days.ts'
import {
  addLiveFile,
  addStagedFile,
  type ArchiveFile,
  dayPrefix,
  filesOf,
  keyOf,
  replaceByStaged,
  setLive,
} from '../data/archive-files.ts'
import { machineNames } from '../data/machine-names.ts'
import { droppedBefore } from '../data/partitions.ts'
import { readBack, VerificationFailed } from './read-back.ts'
import type { Services } from './services.ts'
import { type WrittenFile, writeFiles } from './write-files.ts'

/** More than a run may take: who takes the day after that time finds nobody at it. */
const LEASE_MS = 20 * 60_000

/** `more`: time was up, or something has changed meanwhile. */
export type Reached = 'busy' | 'more' | 'archived' | 'verified'

/** Throws when something failed; the next run finds the day as it was left, and goes on. */
export async function archiveDay(services: Services, day: DueDay): Promise<Reached> {
  const { db, now, hasTime } = services
  const startedAt = now()
  if (!(await takeDay(db, day, startedAt, startedAt + LEASE_MS))) return 'busy'
  let reached: { archived_at?: number; verified_at?: number } = {}
  try {
    await publish(services, day)
    if (!(await addMissing(services, day))) return 'more'
    reached = { archived_at: startedAt }
    if (!day.isClosed) return 'archived'
    const isDropped = day.day < (await droppedBefore(db))
    if (!isDropped && (await hasLateFiles(db, day)) && !(await compact(services, day))) return 'more'
    if (!hasTime() || (await queuedMachines(db, day.tenantId, day.day)).length > 0) return 'more'
    await verify(services, day, isDropped)
    reached = { archived_at: startedAt, verified_at: now() }
    return 'verified'
  } catch (error) {
    // Postgres still has it all.
    if (error instanceof VerificationFailed) await askForCompaction(db, day)
    throw error
  } finally {
    await leaveDay(db, day, reached)
  }
}

/** Moves what replaces the live files to their place, and removes the objects that are in no manifest. */
async function publish({ db, objects }: Services, day: DueDay): Promise<void> {
  const files = await filesOf(db, day)
  const removeOthers = async (where: 'readings' | 'staging', states: ArchiveFile['state'][]) => {
    const kept = files.filter(({ state }) => states.includes(state)).map((file) => keyOf(where, day, file))
    await objects.remove((await objects.list(dayPrefix(where, day))).filter((key) => !kept.includes(key)))
  }
  // First what goes, then what comes: for a moment something is missing to who asks, and nothing is ever there twice.
  await removeOthers('readings', ['live', 'publishing'])
  for (const file of files.filter(({ state }) => state === 'publishing')) {
    await objects.copy(keyOf('staging', day, file), keyOf('readings', day, file))
    await setLive(db, file.id)
  }
  await removeOthers('staging', ['staged'])
}

/** False when time was up. */
async function addMissing(services: Services, day: DueDay): Promise<boolean> {
  const { db } = services
  // Before the messages are read: what changes from now on changes the queue as well.
  const queued = await queuedMachines(db, day.tenantId, day.day)
  if (queued.length === 0) return true
  const messages = { ...day, machineIds: queued.map((one) => one.machineId), notArchived: true }
  const names = await machineNames(db, day.tenantId)
  const isWhole = await writeFiles(services, messages, names, async (written) => {
    await store(services, 'readings', day, written)
    const passed = queued.filter(({ machineId }) => machineId < written.file.last_machine_id)
    await addLiveFile(db, { ...written.file, state: 'live' }, written.seqs, passed)
  })
  if (isWhole) await unqueue(db, day.day, queued)
  return isWhole
}

/** Writes the day anew where nobody looks, and goes on where an earlier run has ended. False when time was up. */
async function compact(services: Services, day: DueDay): Promise<boolean> {
  const { db } = services
  const last = (await stagedFiles(services, day)).at(-1)
  const after = last && { machineId: last.last_machine_id, ts: last.last_ts, seq: last.last_seq }
  const names = await machineNames(db, day.tenantId)
  const isWhole = await writeFiles(services, { ...day, after }, names, async (written) => {
    await store(services, 'staging', day, written)
    await addStagedFile(db, { ...written.file, state: 'staged' })
  })
  if (!isWhole) return false
  expectAll(day, await stagedFiles(services, day), await countStored(db, day))
  await replaceByStaged(db, day)
  await publish(services, day)
  return true
}

async function store({ objects }: Services, where: 'readings' | 'staging', day: DueDay, { file, path }: WrittenFile) {
  const key = keyOf(where, day, file)
  await objects.putFile(key, path, 'application/vnd.apache.parquet')
  await readBack(objects, key, file)
}

const stagedFiles = async ({ db }: Services, day: DueDay) =>
  (await filesOf(db, day)).filter(({ state }) => state === 'staged')

async function verify({ db, objects }: Services, day: DueDay, isDropped: boolean): Promise<void> {
  const files = await filesOf(db, day)
  for (const file of files) await readBack(objects, keyOf('readings', day, file), file)
  if (!isDropped) expectAll(day, files, await countStored(db, day))
}

function expectAll({ tenant, day }: DueDay, files: ArchiveFile[], stored: number): void {
  const archived = files.reduce((sum, { messages }) => sum + messages, 0)
  if (archived === stored) return
  throw new VerificationFailed(`day ${day} of ${tenant}: ${archived} messages are in the files, ${stored} in Postgres`)
}
