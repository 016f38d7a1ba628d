import { dataDirIn, readConfiguration, type Configuration } from './configuration.ts'
import { Failure } from './failure.ts'
import { isEnrolled, readIdentity, telemetryTopicOf, type Identity } from './identity.ts'
import { budgetWarning, messagesPerSecond } from './publish-budget.ts'

/** Checks everything that can be known without the network. Returns lines to print; throws a Failure with every mistake. */
export function check(file: string): string[] {
  const mistakes: string[] = []
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      mistakes.push(error.message)
      return undefined
    }
  }
  const configuration = attempt(() => readConfiguration(file))
  // With mistakes in the file, those of the identity are told as well, as far as it can be found.
  const dataDir = configuration?.dataDir ?? attempt(() => dataDirIn(file))
  const identity = dataDir && isEnrolled(dataDir) ? attempt(() => readIdentity(dataDir)) : undefined
  if (configuration && identity) {
    for (const { slug } of configuration.machines) attempt(() => telemetryTopicOf(identity, slug))
  }
  if (!configuration || mistakes.length > 0) throw new Failure([...new Set(mistakes)].join('\n'), 2)
  return summaryOf(configuration, identity)
}

function summaryOf(configuration: Configuration, identity: Identity | undefined): string[] {
  const { file, devices, machines, dataDir } = configuration
  const tags = machines.reduce((sum, machine) => sum + machine.tags.length, 0)
  const perSecond = messagesPerSecond(machines)
  const warning = budgetWarning(configuration)
  return [
    `${file}: ok: ${devices.length} devices, ${machines.length} machines, ${tags} tags, up to ${perSecond.toFixed(1)} messages/s`,
    ...(warning ? [`warning: ${warning}`] : []),
    `${dataDir}: ${identity ? `enrolled as ${identity.thingName}` : 'not enrolled yet'}`,
  ]
}
