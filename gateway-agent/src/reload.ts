import { unwatchFile, watchFile } from 'node:fs'
import type { Agent } from './agent.ts'
import { filesIn, readConfiguration, type Configuration } from './configuration.ts'
import { Failure, messageOf } from './failure.ts'
import { telemetryTopicOf } from './identity.ts'
import { budgetWarning } from './publish-budget.ts'

/** Looked at by its date, which works on every file system and for editors that put a new file in the old one's place. */
const LOOK_EVERY_MS = 1000

/**
 * Reads the configuration again at SIGHUP and when one of its files has changed. Returns how to stop that. A file with
 * mistakes changes nothing, and the log says why. At SIGHUP the cloud is asked as well what it wants of this gateway.
 */
export function watchConfiguration(agent: Agent): () => Promise<void> {
  const { log } = agent
  let reloading = Promise.resolve()
  const reload = () => {
    // One after the other: each compares with what the one before has left.
    reloading = reloading.then(async () => {
      const { file } = agent.configuration
      try {
        await takeOver(agent, readConfiguration(file))
      } catch (error) {
        log.error(`the changed configuration is not used, the agent goes on with the one before:\n${messageOf(error)}`)
      }
      watch()
    })
  }
  let watched: string[] = []
  const watch = () => {
    const { file, files } = agent.configuration
    // A mistake may be mended in a list that only the refused file names.
    const wanted = [...new Set([...files, ...filesIn(file)])]
    // Looked at without a break: a change meanwhile must not be taken for what was there before.
    for (const each of watched) if (!wanted.includes(each)) unwatchFile(each, reload)
    for (const each of wanted) if (!watched.includes(each)) watchFile(each, { interval: LOOK_EVERY_MS }, reload)
    watched = wanted
  }
  watch()
  const onHangUp = () => {
    reload()
    agent.renewal.askNow()
  }
  process.on('SIGHUP', onHangUp)
  return async () => {
    process.off('SIGHUP', onHangUp)
    for (const file of watched) unwatchFile(file, reload)
    await reloading
  }
}

/** Changes what is different in `next`, and nothing else. Throws a Failure, and has changed nothing, when it cannot be used. */
export async function takeOver(agent: Agent, next: Configuration): Promise<void> {
  const { configuration, identity, log } = agent
  if (next.dataDir !== configuration.dataDir) {
    throw new Failure(`${next.file}: dataDir cannot change while the agent runs; restart it`, 2)
  }
  for (const { slug } of next.machines) telemetryTopicOf(identity, slug)
  const restarted = await agent.polling.apply(next)
  agent.outbox.limits = next.buffer
  agent.publisher.publishesPerSecond = next.mqtt.publishesPerSecond
  agent.connection.reconfigure({ port: next.mqtt.port, proxy: next.proxy })
  agent.configuration = next
  log.info(`configuration read again; devices that start anew: ${restarted.join(', ') || 'none'}`)
  const warning = budgetWarning(next)
  if (warning) log.warn(warning)
}
