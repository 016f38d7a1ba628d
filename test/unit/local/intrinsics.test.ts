import { describe, expect, it } from 'vitest'
import { resolveValue, type Scope } from '../../../local/assembly/intrinsics.ts'

const scope: Scope = {
  stackName: 'iot-telemetry-dev-data',
  mappings: { zones: { 'us-east-1': { first: 'a' } } },
  ref: (name) => `ref-of-${name}`,
  attribute: (logicalId, name) => `${logicalId}:${name}`,
  importValue: (name) => `imported-${name}`,
  condition: (name) => name === 'IsDev',
  secret: () => JSON.stringify({ username: 'u', password: 'p' }),
}
const resolved = (value: unknown) => resolveValue(scope, value)

describe('intrinsic functions', () => {
  it.each([
    [{ Ref: 'Queue' }, 'ref-of-Queue'],
    [{ Ref: 'AWS::Region' }, 'us-east-1'],
    [{ Ref: 'AWS::StackName' }, 'iot-telemetry-dev-data'],
    [{ 'Fn::GetAtt': ['Database', 'Endpoint.Address'] }, 'Database:Endpoint.Address'],
    [{ 'Fn::GetAtt': 'Database.Endpoint.Address' }, 'Database:Endpoint.Address'],
    [{ 'Fn::ImportValue': { 'Fn::Sub': '${AWS::StackName}:x' } }, 'imported-iot-telemetry-dev-data:x'],
    [
      { 'Fn::Join': ['', ['https://', { Ref: 'Api' }, '.', { Ref: 'AWS::URLSuffix' }]] },
      'https://ref-of-Api.amazonaws.com',
    ],
    [{ 'Fn::Select': [1, { 'Fn::Split': ['/', 'a/b'] }] }, 'b'],
    [{ 'Fn::Sub': 'x-${Queue.Arn}-${!literal}' }, 'x-Queue:Arn-${literal}'],
    [{ 'Fn::Sub': ['${own}-${Queue}', { own: { Ref: 'A' } }] }, 'ref-of-A-ref-of-Queue'],
    [{ 'Fn::If': ['IsDev', 'yes', 'no'] }, 'yes'],
    [{ 'Fn::And': [{ Condition: 'IsDev' }, { 'Fn::Equals': ['a', 'a'] }] }, true],
    [{ 'Fn::Not': [{ Condition: 'IsDev' }] }, false],
    [{ 'Fn::FindInMap': ['zones', { Ref: 'AWS::Region' }, 'first'] }, 'a'],
    [{ 'Fn::Base64': 'text' }, 'dGV4dA=='],
    [{ nested: [{ Ref: 'A' }, 1, null] }, { nested: ['ref-of-A', 1, null] }],
  ])('%j', (value, expected) => {
    expect(resolved(value)).toEqual(expected)
  })

  it('leaves out what AWS::NoValue takes away', () => {
    expect(
      resolved({ a: { 'Fn::If': ['IsProd', 1, { Ref: 'AWS::NoValue' }] }, b: [{ Ref: 'AWS::NoValue' }, 2] }),
    ).toEqual({ b: [2] })
  })
  it('reads a key of a secret, also from a joined reference', () => {
    expect(
      resolved({ 'Fn::Join': ['', ['{{resolve:secretsmanager:', 'arn:aws:x:y', ':SecretString:password::}}']] }),
    ).toBe('p')
    expect(resolved('{{resolve:secretsmanager:arn:aws:x:y:SecretString:::}}')).toBe('{"username":"u","password":"p"}')
  })
  it.each([
    [{ 'Fn::Transform': {} }, 'Fn::Transform'],
    [{ Ref: 'AWS::Unheard' }, 'AWS::Unheard'],
    ['{{resolve:ssm:name}}', '{{resolve:ssm:name}}'],
  ])('names what it does not know: %j', (value, name) => {
    expect(() => resolved(value)).toThrow(name)
  })
})
