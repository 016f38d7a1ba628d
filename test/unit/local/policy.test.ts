import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { isAllowed, PolicyDocument } from '../../../local/iot/policy.ts'

const topic = (name: string) => `arn:aws:iot:us-east-1:000000000000:topic/${name}`
const client = (id: string) => `arn:aws:iot:us-east-1:000000000000:client/${id}`

/** The form that onboarding writes: connect as the own Thing, publish under the own plant. */
const gatewayPolicy: PolicyDocument = {
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Action: 'iot:Connect',
      Resource: client('${iot:Connection.Thing.ThingName}'),
      Condition: { Bool: { 'iot:Connection.Thing.IsAttached': 'true' } },
    },
    { Effect: 'Allow', Action: 'iot:Publish', Resource: topic('factory/t/p/l/*/telemetry') },
    {
      Effect: 'Allow',
      Action: ['iot:Publish', 'iot:RetainPublish'],
      Resource: [topic('ops/t/p/l/gateway/gw-1/status')],
    },
  ],
}
const attached = { clientId: 'gw-1', thingName: 'gw-1' }
const stranger = { clientId: 'gw-2', thingName: undefined }

describe('policy of a gateway', () => {
  it.each([
    ['connects as its own Thing', attached, 'Connect', client('gw-1'), true],
    ['not as another clientId', stranger, 'Connect', client('gw-2'), false],
    ['publishes any machine of its plant', attached, 'Publish', topic('factory/t/p/l/m-1/telemetry'), true],
    ['not of another plant', attached, 'Publish', topic('factory/t/p/other/m-1/telemetry'), false],
    ['not of another tenant', attached, 'Publish', topic('factory/u/p/l/m-1/telemetry'), false],
    ['retains its status', attached, 'RetainPublish', topic('ops/t/p/l/gateway/gw-1/status'), true],
    ['retains no telemetry', attached, 'RetainPublish', topic('factory/t/p/l/m-1/telemetry'), false],
    ['subscribes to nothing', attached, 'Subscribe', topic('factory/t/p/l/m-1/telemetry'), false],
  ] as const)('%s', (_name, subject, action, resource, expected) => {
    expect(isAllowed([gatewayPolicy], subject, action, resource)).toBe(expected)
  })
})

describe('evaluation', () => {
  const policy = (effect: 'Allow' | 'Deny', resource: string): PolicyDocument => ({
    Version: '2012-10-17',
    Statement: [{ Effect: effect, Action: 'iot:Publish', Resource: resource }],
  })
  const may = (documents: PolicyDocument[], name: string) => isAllowed(documents, attached, 'Publish', topic(name))

  it('denies what no statement allows', () => {
    expect(may([], 'a')).toBe(false)
  })
  it('lets a denial win over any allowance', () => {
    expect(may([policy('Allow', '*'), policy('Deny', topic('secret/*'))], 'secret/a')).toBe(false)
    expect(may([policy('Allow', '*'), policy('Deny', topic('secret/*'))], 'open/a')).toBe(true)
  })
  it('takes + and # literally', () => {
    expect(may([policy('Allow', topic('a/+/b'))], 'a/x/b')).toBe(false)
    expect(may([policy('Allow', topic('a/#'))], 'a/x')).toBe(false)
  })
  it('does not let a dot stand for any character', () => {
    expect(may([policy('Allow', topic('a.b'))], 'axb')).toBe(false)
  })
  it('takes ? for one character', () => {
    expect(may([policy('Allow', topic('a?'))], 'ab')).toBe(true)
    expect(may([policy('Allow', topic('a?'))], 'abc')).toBe(false)
  })
})

describe('what local/ does not know is refused', () => {
  const withStatement = (statement: object) =>
    v.safeParse(PolicyDocument, {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 'iot:Publish', Resource: '*', ...statement }],
    }).success

  it('accepts the known', () => {
    expect(withStatement({})).toBe(true)
  })
  it.each([
    ['action', { Action: 'iot:GetThingShadow' }],
    ['variable', { Resource: 'arn:${iot:Certificate.Subject.CommonName}' }],
    ['operator', { Condition: { StringEquals: { a: 'b' } } }],
    ['condition key', { Condition: { Bool: { 'aws:SecureTransport': 'true' } } }],
    ['element', { NotAction: 'iot:Connect' }],
  ])('%s', (_name, statement) => {
    expect(withStatement(statement)).toBe(false)
  })
})
