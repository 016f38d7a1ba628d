/**
 * What goes wrong while readings arrive. Each fault returns when it has done its harm and what it broke stands again; how
 * often it really bit is its result, so that a run which harmed nothing can be told from one that was survived.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Consumers } from './consumers.ts'
import type { Random } from './random.ts'
import { CONCURRENCY, DEAD_LETTERS, type System } from './system.ts'

export type Fault = (system: System, random: Random) => Promise<number>

/** How long a fault waits for its chance: a batch at work, a request to spoil. */
const CHANCE_MS = 10_000

/** So many that each batch has readings of some. */
const MANY_MACHINES = 100
/** Several requests, tries of the same one included. */
const MANY_DEAD_LETTERS = 30

/** One at a time of each group; the groups harm at the same time. */
export const FAULTS: Record<'servers' | 'deliveries', Record<string, Fault>> = {
  servers: {
    async 'connections to Postgres killed'(system) {
      const kill = `select pg_terminate_backend(pid) from pg_stat_activity where usename in ('iot_ingest', 'iot_quarantine', 'iot_rollup')`
      let killed = 0
      await system.withDatabase((pool) =>
        until(async () => {
          killed = (await pool.query(kill)).rowCount ?? 0
          return killed > 0
        }),
      )
      return killed
    },
    'consumers held up by one lock': holdUp,
    async 'answers of Postgres lost after they took effect'({ databaseLine }) {
      const lost = await Promise.race([databaseLine.loseAnswers().then(() => 1), sleep(CHANCE_MS, 0)])
      databaseLine.cut()
      databaseLine.mend()
      return lost
    },
    async 'Postgres stopped hard'(system, random) {
      await untilBusy(system)
      system.killPostgres()
      await sleep(random.below(1_500))
      await system.startPostgresAgain()
      return 1
    },
    async 'Redis stopped'(system, random) {
      await untilBusy(system)
      await system.stopRedis()
      await sleep(random.below(1_500))
      await system.startRedisAgain()
      return 1
    },
  },
  deliveries: {
    async 'a consumer ended in mid batch'(system, random) {
      const died = () => system.ingest.counts.died + system.quarantine.counts.died
      const before = died()
      await until(async () => {
        await untilBusy(system)
        await sleep(random.below(50))
        await system.threads.endOne((threads) => random.pick(threads))
        return died() > before
      })
      return died() - before
    },
    'a handled batch of readings comes back': ({ ingest }) => loseAnswer(ingest),
    'a handled batch of dead letters comes back': ({ quarantine }) => loseAnswer(quarantine),
    async 'two consumers with the same batch'({ ingest, quarantine }, random) {
      let twice = 0
      for (const consumers of [ingest, quarantine]) {
        await until(() => consumers.running > 0)
        const some = consumers.held().filter(() => random.chance(60))
        for (const handle of some) consumers.queue.changeVisibility(handle, 0)
        twice += some.length
      }
      return twice
    },
    async 'answers of SQS lost after they took effect'({ sqs }) {
      const before = sqs.counts.lost
      sqs.loseAnswers(4)
      await until(() => sqs.counts.lost >= before + 4)
      sqs.mend()
      return sqs.counts.lost - before
    },
    async 'dead letters refused'({ sqs }) {
      const before = sqs.counts.refused
      sqs.refuse(DEAD_LETTERS, 'wholly')
      await until(() => sqs.counts.refused >= before + MANY_DEAD_LETTERS)
      sqs.mend()
      return sqs.counts.refused - before
    },
    async 'dead letters refused in part'({ sqs }) {
      const before = sqs.counts.refused
      sqs.refuse(DEAD_LETTERS, 'partly')
      await until(() => sqs.counts.refused >= before + MANY_DEAD_LETTERS)
      sqs.mend()
      return sqs.counts.refused - before
    },
  },
}

/** All consumers wait in the middle of their statements, and go on at the same moment. */
export async function holdUp(system: System): Promise<number> {
  let waiting = 0
  await system.withDatabase(async (pool) => {
    await pool.query('begin')
    // Never waits itself, so that nobody waits for it in a circle.
    const lock = 'select from machine_state for update skip locked'
    await until(async () => (await pool.query(lock)).rowCount! > MANY_MACHINES)
    await until(async () => {
      await pool.query('select pg_stat_clear_snapshot()') // else one transaction sees one picture of the others
      const { rowCount } = await pool.query(
        `select from pg_stat_activity where usename = 'iot_ingest' and wait_event_type = 'Lock'`,
      )
      waiting = rowCount ?? 0
      return waiting >= CONCURRENCY
    })
    await pool.query('rollback')
  })
  return waiting > 1 ? waiting : 0
}

async function loseAnswer(consumers: Consumers): Promise<number> {
  const before = consumers.counts.answersLost
  consumers.loseAnswer()
  await until(() => consumers.counts.answersLost > before)
  return consumers.counts.answersLost - before
}

const untilBusy = ({ ingest }: System) => until(() => ingest.running > 0)

/** Resolves too when it has not come to pass for long: the fault then tells that it did not bite. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + CHANCE_MS
  while (!(await condition()) && Date.now() < deadline) await sleep(2)
}
