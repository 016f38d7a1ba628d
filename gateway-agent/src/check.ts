import { readConfiguration } from './configuration.ts'
import { budgetWarning, messagesPerSecond } from './publish-budget.ts'
import { isEnrolled, readIdentity, telemetryTopicOf } from './identity.ts'

/** Checks everything that can be known without the network. Returns lines to print; throws a Failure with every mistake. */
export function check(file: string): string[] {
  const configuration = readConfiguration(file)
  const { devices, machines, dataDir } = configuration
  const tags = machines.reduce((sum, machine) => sum + machine.tags.length, 0)
  const perSecond = messagesPerSecond(machines)
  const lines = [
    `${file}: ok: ${devices.length} devices, ${machines.length} machines, ${tags} tags, up to ${perSecond.toFixed(1)} messages/s`,
  ]
  const warning = budgetWarning(configuration)
  if (warning) lines.push(`warning: ${warning}`)
  if (isEnrolled(dataDir)) {
    const identity = readIdentity(dataDir)
    for (const { slug } of machines) telemetryTopicOf(identity, slug)
    lines.push(`${dataDir}: enrolled as ${identity.thingName}`)
  } else lines.push(`${dataDir}: not enrolled yet`)
  return lines
}
