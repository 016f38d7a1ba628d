/** That docs/aws-limits.md is true, and the limits that have no test elsewhere. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreatePolicyCommand, CreatePolicyVersionCommand, IoTClient } from '@aws-sdk/client-iot'
import { SQSClient } from '@aws-sdk/client-sqs'
import { describe, expect, it } from 'vitest'
import { KEEPALIVE_SECONDS } from '../../gateway-agent/src/mqtt-connection.ts'
import { sendMessages } from '../../lambdas/runtime/send-messages.ts'
import { Guard } from '../../local/iam/guard.ts'
import { openCertificateAuthority } from '../../local/iot/certificate-authority.ts'
import { serveIotControlPlane } from '../../local/iot/control-plane.ts'
import { Registry } from '../../local/iot/registry.ts'
import { rawServer } from '../../local/http/server.ts'
import { startQueueServer } from '../../local/sqs/queue-server.ts'
import { resource, resources, synthesize } from './cdk/templates.ts'

const root = join(import.meta.dirname, '../..')
const rows = [...readFileSync(join(root, 'docs/aws-limits.md'), 'utf8').matchAll(/^\| (.+) \| (.+) \|$/gm)]
  .map(([, limit, held]) => [limit!, held!] as const)
  .filter(([limit]) => limit !== 'limit')
const credentials = { region: 'us-east-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' } }

it.each(rows)('%s: its tests exist', (_limit, held) => {
  const references = [...held.matchAll(/`([^`]+)`: ([^;]+)/g)]
  expect(references.length).toBeGreaterThan(0)
  const missing = references.filter(
    ([, file, title]) => !readFileSync(join(root, file!), 'utf8').includes(title!.trim()),
  )
  expect(missing.map(([reference]) => reference)).toEqual([])
})

it('the agent’s keep-alive is one that IoT Core keeps', () => {
  expect(KEEPALIVE_SECONDS).toBeGreaterThanOrEqual(30)
  expect(KEEPALIVE_SECONDS).toBeLessThanOrEqual(1200)
})

it('messages go in batches that SQS takes', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'limits-'))
  const server = await startQueueServer({ dataDir, port: 0, guard: new Guard() })
  const queue = server.createQueue('large', {})
  const sqs = new SQSClient({ endpoint: server.url, ...credentials })
  const messages = Array.from({ length: 25 }, (_, n) => ({
    outgoing: { MessageBody: 'x'.repeat(n < 12 ? 10 : 300_000) },
  }))
  expect(await sendMessages(sqs, server.queueUrl('large'), messages)).toEqual([])
  expect(queue.messages.length).toBe(25)
  sqs.destroy()
  await server.stop()
  rmSync(dataDir, { recursive: true })
})

it('local/ keeps five versions of a policy', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'limits-'))
  const app = rawServer(1_000_000)
  serveIotControlPlane(
    app,
    new Registry(join(folder, 'iot.json')),
    await openCertificateAuthority(folder),
    () => 'none',
  )
  const iot = new IoTClient({ endpoint: await app.listen({ port: 0, host: '127.0.0.1' }), ...credentials })
  const policyDocument = '{"Version":"2012-10-17","Statement":[]}'
  await iot.send(new CreatePolicyCommand({ policyName: 'p', policyDocument }))
  const another = () =>
    iot.send(new CreatePolicyVersionCommand({ policyName: 'p', policyDocument, setAsDefault: true }))
  for (let version = 2; version <= 5; version += 1) await another()
  await expect(another()).rejects.toMatchObject({ name: 'VersionsLimitExceededException' })
  iot.destroy()
  await app.close()
  rmSync(folder, { recursive: true })
})

describe.each(['dev', 'prod'])('in %s', (stage) => {
  const templates = synthesize({ stage })

  it('nothing that a schedule starts is repeated by AWS', () => {
    const rules = resources<{ Targets: { Arn: { 'Fn::GetAtt': [string, string] } }[] }>(templates, 'AWS::Events::Rule')
    const started = rules.flatMap(({ properties }) => properties.Targets.map(({ Arn }) => Arn['Fn::GetAtt'][0]))
    expect(started.length).toBeGreaterThanOrEqual(7)
    const configs = resources<{ FunctionName: { Ref: string }; MaximumRetryAttempts: number }>(
      templates,
      'AWS::Lambda::EventInvokeConfig',
    )
    const once = configs.filter(({ properties }) => properties.MaximumRetryAttempts === 0)
    expect(once.map(({ properties }) => properties.FunctionName.Ref)).toEqual(expect.arrayContaining(started))
  })

  it('Redis is no cluster', () => {
    const { properties } = resource(templates, 'AWS::ElastiCache::ReplicationGroup')
    expect([undefined, 1]).toContain(properties.NumNodeGroups)
    expect([undefined, 'disabled']).toContain(properties.ClusterMode)
    expect(JSON.stringify(properties.CacheParameterGroupName ?? '')).not.toContain('cluster.on')
  })

  it('no alarm looks back for more than a day', () => {
    interface Looks {
      AlarmName: string
      Period?: number
      EvaluationPeriods: number
      Metrics?: { MetricStat?: { Period: number } }[]
    }
    for (const { properties } of resources<Looks>(templates, 'AWS::CloudWatch::Alarm')) {
      const periods = [properties.Period, ...(properties.Metrics ?? []).map(({ MetricStat }) => MetricStat?.Period)]
      const longest = Math.max(...periods.filter((period) => period !== undefined))
      expect(longest * properties.EvaluationPeriods, properties.AlarmName).toBeLessThanOrEqual(86_400)
    }
  })
})

/** RDS: LEAST(DBInstanceClassMemory / 9531392, 5000). */
const CONNECTIONS_PER_GB = 1024 ** 3 / 9_531_392

it('consumers and the API leave half of the connections of prod’s database', () => {
  const templates = synthesize({ stage: 'prod' })
  const { properties: database } = resource<{ DBInstanceClass: string }>(templates, 'AWS::RDS::DBInstance')
  expect(database.DBInstanceClass).toBe('db.m7g.large') // 8 GB
  const sources = resources<{ ScalingConfig: { MaximumConcurrency: number } }>(
    templates,
    'AWS::Lambda::EventSourceMapping',
  )
  const reserved = resources<{ ReservedConcurrentExecutions?: number }>(templates, 'AWS::Lambda::Function')
  const atOnce =
    sources.reduce((sum, { properties }) => sum + properties.ScalingConfig.MaximumConcurrency, 0) +
    reserved.reduce((sum, { properties }) => sum + (properties.ReservedConcurrentExecutions ?? 0), 0)
  expect(atOnce).toBeGreaterThan(100)
  expect(atOnce).toBeLessThan((8 * CONNECTIONS_PER_GB) / 2)
})
