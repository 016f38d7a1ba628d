import { describe, expect, it } from 'vitest'
import { resources, synthesize, type Templates } from './templates.ts'

/** What CloudFormation or a service would refuse, and no type catches. */
describe.each(['dev', 'prod'])('stacks of %s', (stage) => {
  const templates = synthesize({ stage })

  it('are these, for any account and region', () => {
    const everywhere = ['Alarms', 'Api', 'Archive', 'Data', 'Exports', 'Ingest', 'Live', 'Monitoring', 'Network', 'Web']
    expect(
      Object.keys(templates)
        .filter((stack) => stack !== 'Edge')
        .toSorted(),
    ).toEqual(everywhere)
    expect('Edge' in templates).toBe(stage === 'prod')
    expect(JSON.stringify(templates)).not.toMatch(/\b(us|eu|sa|ap)-(north|south|east|west|central)\w*-\d\b/)
  })

  it('export every value that another one imports', () => {
    const text = JSON.stringify(templates)
    const imported = new Set([...text.matchAll(/"Fn::ImportValue":"([^"]+)"/g)].map(([, name]) => name))
    const exported = new Set([...text.matchAll(/"Export":\{"Name":"([^"]+)"/g)].map(([, name]) => name))
    expect(imported.size).toBeGreaterThan(10)
    expect([...imported].filter((name) => !exported.has(name))).toEqual([])
  })

  it('have no circle of references, inside a stack or between stacks', () => {
    for (const [stack, { Resources }] of Object.entries(templates)) {
      const ids = Object.keys(Resources)
      const uses = (id: string) => {
        const text = JSON.stringify(Resources[id])
        return ids.filter((other) => other !== id && text.includes(`"${other}"`))
      }
      expect(circle(ids, uses), stack).toBeUndefined()
    }
    const stackUses = (stack: string) =>
      Object.keys(templates).filter((other) =>
        JSON.stringify(templates[stack]).includes(`"Fn::ImportValue":"iot-telemetry-${stage}-${other.toLowerCase()}:`),
      )
    expect(circle(Object.keys(templates), stackUses)).toBeUndefined()
    expect(stackUses('Web')).toEqual(expect.arrayContaining(['Api', 'Live']))
  })

  it('stay within the limits of CloudFormation', () => {
    for (const [stack, template] of Object.entries(templates)) {
      expect(Object.keys(template.Resources).length, stack).toBeLessThan(400)
      expect(Object.keys(template.Outputs ?? {}).length, stack).toBeLessThan(200)
      expect(JSON.stringify(template).length, stack).toBeLessThan(500_000)
    }
  })

  it('leave nothing with a name of its own behind a first deployment that fails, or the next one would find it taken', () => {
    const named = Object.values(templates).flatMap(({ Resources }) =>
      Object.values(Resources).filter((one) =>
        ['LogGroupName', 'BucketName'].some((key) => key in (one.Properties ?? {})),
      ),
    )
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter(({ DeletionPolicy }) => DeletionPolicy === 'Retain')).toEqual([])
  })

  it('say where things are', () => {
    expect(ownOutputs(templates).filter((name) => name !== 'Edge/WebAclArn')).toEqual([
      'Api/AdminFunctionName',
      'Api/ApiUrl',
      'Api/FirebaseServiceAccountSecret',
      'Archive/ArchiveBucketName',
      'Exports/ExportsBucketName',
      'Ingest/FanOutDeadLettersUrl',
      'Ingest/FanOutQueueUrl',
      'Ingest/LateTelemetryQueueUrl',
      'Ingest/RuleErrorsUrl',
      'Ingest/StatusDeadLettersUrl',
      'Ingest/StatusQueueUrl',
      'Ingest/TelemetryDeadLettersUrl',
      'Ingest/TelemetryQueueUrl',
      'Live/RealtimeUrl',
      'Monitoring/DashboardName',
      'Web/WebUrl',
    ])
  })
})

it('can stand beside another stage in one account: no fixed name is the same', () => {
  const fixedNames = (stage: string) => {
    const templates = synthesize({ stage })
    const named: [string, string][] = [
      ['AWS::IoT::TopicRule', 'RuleName'],
      ['AWS::CloudWatch::Alarm', 'AlarmName'],
      ['AWS::CloudWatch::Dashboard', 'DashboardName'],
      ['AWS::Logs::LogGroup', 'LogGroupName'],
      ['AWS::Athena::WorkGroup', 'Name'],
      ['AWS::CloudFront::Function', 'Name'],
      ['AWS::CloudFront::ResponseHeadersPolicy', 'ResponseHeadersPolicyConfig'],
      ['AWS::CloudFront::OriginAccessControl', 'OriginAccessControlConfig'],
    ]
    return named.flatMap(([type, key]) =>
      resources(templates, type)
        .filter(({ properties }) => key in properties)
        .map(({ properties }) => JSON.stringify(properties[key])),
    )
  }
  const dev = fixedNames('dev')
  const prod = new Set(fixedNames('prod'))
  expect(dev.length).toBeGreaterThan(10)
  expect(dev.filter((name) => prod.has(name))).toEqual([])
})

it('an unknown stage is an error that names the stages', () => {
  expect(() => synthesize({ stage: 'staging' })).toThrow('stage=staging is not one of dev, prod')
})

function ownOutputs(templates: Templates): string[] {
  return Object.entries(templates)
    .flatMap(([stack, { Outputs = {} }]) => Object.keys(Outputs).map((name) => `${stack}/${name}`))
    .filter((name) => !name.includes('/ExportsOutput'))
    .toSorted()
}

/** The first circle found, as the way around it. */
function circle(ids: string[], uses: (id: string) => string[]): string[] | undefined {
  const done = new Set<string>()
  const visit = (id: string, way: string[]): string[] | undefined => {
    if (way.includes(id)) return [...way.slice(way.indexOf(id)), id]
    if (done.has(id)) return undefined
    for (const next of uses(id)) {
      const found = visit(next, [...way, id])
      if (found) return found
    }
    done.add(id)
    return undefined
  }
  for (const id of ids) {
    const found = visit(id, [])
    if (found) return found
  }
  return undefined
}

describe('a deployment without a Firebase project', () => {
  interface Rules {
    Rules?: Record<string, { Assertions: { Assert: unknown; AssertDescription: string }[] }>
  }
  const rulesOf = (context: Record<string, string>) =>
    Object.values(synthesize(context)).map((template) => (template as Rules).Rules?.['FirebaseProject'])

  it('is refused by CloudFormation, stack by stack, before it changes anything', () => {
    const rules = rulesOf({ stage: 'prod' })
    expect(rules.length).toBeGreaterThan(9)
    for (const rule of rules)
      expect(rule?.Assertions).toEqual([
        {
          Assert: { 'Fn::Equals': ['demo-iot-telemetry', ''] },
          AssertDescription: expect.stringContaining('add -c firebaseProjectId=') as string,
        },
      ])
  })

  it('is taken with one', () => {
    expect(rulesOf({ firebaseProjectId: 'plant-telemetry', firebaseApiKey: 'key' }).every((rule) => !rule)).toBe(true)
  })
})
