/** What moves messages and time: the MQTT broker with its rules, the event sources, the schedules, the alarms. */
import { join } from 'node:path'
import { readEventSources, readSchedules } from './assembly/read-consumers.ts'
import { readRules } from './assembly/read-rules.ts'
import type { CloudPorts } from './cloud-ports.ts'
import type { Deployment } from './deployment.ts'
import { startBroker } from './iot/broker.ts'
import type { CertificateAuthority } from './iot/certificate-authority.ts'
import type { Registry } from './iot/registry.ts'
import { RulesEngine } from './iot/rules.ts'
import { openLogFile } from './lambda/log-file.ts'
import type { Lifetime } from './lifetime.ts'
import { EventSource } from './sqs/event-source.ts'
import type { QueueServer } from './sqs/queue-server.ts'

export async function startEventSources(
  lifetime: Lifetime,
  deployment: Deployment,
  queues: QueueServer,
): Promise<void> {
  const { assembly, queueNamed, functionNamed } = deployment
  for (const { queueName, functionName, settings } of readEventSources(assembly)) {
    const source = new EventSource(queueNamed(queueName), queues, functionNamed(functionName), settings)
    source.start()
    await lifetime.own(`event source of ${functionName}`, source, () => source.stop())
  }
}

export async function startSchedules(lifetime: Lifetime, { assembly, functionNamed }: Deployment): Promise<void> {
  for (const { everyMs, functionName, input } of readSchedules(assembly)) {
    const target = functionNamed(functionName)
    const timer = setInterval(() => void target.invoke(input), everyMs) // its errors are in its log
    await lifetime.own(`schedule of ${functionName}`, timer, () => clearInterval(timer))
  }
}

export async function startCloudWatch(lifetime: Lifetime, rootDir: string, { cloudWatch }: Deployment): Promise<void> {
  const log = openLogFile(join(rootDir, 'logs', 'cloudwatch.log'))
  await lifetime.own('log of CloudWatch', log, () => log.close())
  cloudWatch.start((line) => log.write(`${new Date().toISOString()} ${line}`))
  await lifetime.own('CloudWatch', cloudWatch, () => cloudWatch.stop())
}

export async function startIotBroker(
  lifetime: Lifetime,
  options: {
    rootDir: string
    ports: CloudPorts
    deployment: Deployment
    registry: Registry
    authority: CertificateAuthority
  },
): Promise<void> {
  const { rootDir, deployment, registry, authority } = options
  const rules = new RulesEngine(
    readRules(deployment.assembly).map(({ name, sql, queueName, errorQueueName }) => ({
      name,
      sql,
      target: deployment.queueNamed(queueName),
      errorTarget: errorQueueName === undefined ? undefined : deployment.queueNamed(errorQueueName),
    })),
  )
  const log = openLogFile(join(rootDir, 'logs', 'iot-broker.log'))
  await lifetime.own('log of the broker', log, () => log.close())
  const broker = startBroker({
    port: options.ports.mqtt,
    registry,
    authority,
    retainedFile: join(rootDir, 'retained-messages.json'),
    onPublish: (message) => rules.run(message),
    log: (line) => log.write(`${new Date().toISOString()} ${line}`),
  })
  await lifetime.own('MQTT broker', broker, (started) => started.stop())
}
