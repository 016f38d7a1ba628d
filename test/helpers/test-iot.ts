/** AWS IoT of a test's own: local/'s, spoken to by the SDK's clients over HTTP, with calls counted and failures on demand. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { IoTClient } from '@aws-sdk/client-iot'
import { IoTDataPlaneClient } from '@aws-sdk/client-iot-data-plane'
import { listen, rawServer } from '../../local/http/server.ts'
import { startBroker } from '../../local/iot/broker.ts'
import { openCertificateAuthority } from '../../local/iot/certificate-authority.ts'
import { serveIotControlPlane } from '../../local/iot/control-plane.ts'
import { Registry } from '../../local/iot/registry.ts'

export const MQTT_ENDPOINT = 'abc-ats.iot.us-east-1.amazonaws.com'

export interface TestIot {
  iot: IoTClient
  iotData: IoTDataPlaneClient
  registry: Registry
  /** Names of the commands that were sent, in order. */
  calls: string[]
  /** The next call of the command fails: before it has reached AWS, or with its answer lost. Of several commands each fails once. */
  failAt(command: string, when: 'before' | 'after', error?: Error): void
  /** Its message broker for devices, and what it has taken. */
  startBroker(): Promise<TestIotBroker>
  /** Forgets everything, and that something was to fail. */
  reset(): void
  close(): Promise<void>
}

export interface TestIotBroker {
  port: number
  caPem: string
  taken: { topic: string; clientId: string }[]
  stop(): Promise<void>
}

export async function startTestIot(): Promise<TestIot> {
  const folder = mkdtempSync(join(tmpdir(), 'test-iot-'))
  const registry = new Registry(join(folder, 'iot.json'))
  const app = rawServer(1024 * 1024)
  const authority = await openCertificateAuthority(folder)
  serveIotControlPlane(app, registry, authority, () => MQTT_ENDPOINT)
  const options = {
    endpoint: await listen(app, 0),
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  }
  const calls: string[] = []
  const failures = new Map<string, { when: 'before' | 'after'; error: Error | undefined }>()
  const iot = new IoTClient(options)
  const iotData = new IoTDataPlaneClient(options)
  // Both have the same stack of middleware, of other inputs.
  for (const client of [iot, iotData as unknown as IoTClient]) {
    client.middlewareStack.add(
      (next, { commandName = '' }) =>
        async (call) => {
          const command = commandName.replace(/Command$/, '')
          calls.push(command)
          const failure = failures.get(command)
          failures.delete(command)
          if (failure?.when === 'before') throw failure.error ?? new Error(`${command} failed`)
          const answer = await next(call)
          if (failure?.when === 'after') throw failure.error ?? new Error(`the answer of ${command} was lost`)
          return answer
        },
      { step: 'initialize' },
    )
  }
  return {
    ...{ iot, iotData, registry, calls },
    failAt: (command, when, error) => void failures.set(command, { when, error }),
    async startBroker() {
      const taken: TestIotBroker['taken'] = []
      const broker = await startBroker({
        ...{ port: 0, registry, authority, retainedFile: join(folder, 'retained.json'), log: () => undefined },
        onPublish: ({ topic, clientId }) => void taken.push({ topic, clientId }),
      })
      return { ...broker, caPem: authority.caPem, taken }
    },
    reset() {
      registry.change((state) => Object.assign(state, { things: {}, policies: {}, certificates: {} }))
      calls.length = 0
      failures.clear()
    },
    async close() {
      await app.close()
      rmSync(folder, { recursive: true })
    },
  }
}
