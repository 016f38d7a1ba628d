import { messagesPerSecond, readConfiguration } from './configuration.ts'
import { isEnrolled, readIdentity, telemetryTopicOf } from './identity.ts'

/** Checks everything that can be known without the network. Returns lines to print; throws a Failure with every mistake. */
export function check(file: string): string[] {
  const configuration = readConfiguration(file)
  const { devices, machines, dataDir, mqtt } = configuration
  const tags = machines.reduce((sum, machine) => sum + machine.tags.length, 0)
  const perSecond = messagesPerSecond(configuration)
  const lines = [
    `${file}: ok: ${devices.length} devices, ${machines.length} machines, ${tags} tags, up to ${perSecond.toFixed(1)} messages/s`,
  ]
  if (perSecond > mqtt.publishesPerSecond) {
    lines.push(
      `${file}: warning: only ${mqtt.publishesPerSecond} messages/s may be sent; lengthen intervalMs, or the rest waits in the buffer`,
    )
  }
  if (isEnrolled(dataDir)) {
    const identity = readIdentity(dataDir)
    for (const { slug } of machines) telemetryTopicOf(identity, slug)
    lines.push(`${dataDir}: enrolled as ${identity.thingName}`)
  } else lines.push(`${dataDir}: not enrolled yet`)
  return lines
}
