/** CloudFormation's intrinsic functions, as far as templates use them. An unknown one is an error that names it. */
import { ACCOUNT_ID, PARTITION, REGION, URL_SUFFIX } from '../aws-identity.ts'

export interface Scope {
  stackName: string
  mappings: Record<string, Record<string, Record<string, unknown>>>
  ref: (name: string) => unknown
  attribute: (logicalId: string, name: string) => unknown
  importValue: (name: string) => unknown
  condition: (name: string) => boolean
  /** The secret's whole text. */
  secret: (arn: string) => string
}

/** Marks a property that `AWS::NoValue` takes away. */
const NO_VALUE = Symbol('AWS::NoValue')

export function resolveValue(scope: Scope, value: unknown): unknown {
  if (typeof value === 'string') return resolveDynamicReferences(scope, value)
  if (Array.isArray(value)) return value.map((item) => resolveValue(scope, item)).filter((item) => item !== NO_VALUE)
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries<unknown>(value as Record<string, unknown>)
  const [name, argument] = entries.length === 1 ? entries[0]! : ['', undefined]
  const intrinsic = INTRINSICS[name]
  if (intrinsic) {
    const result = intrinsic(scope, argument)
    // A secret's reference is often put together by Fn::Join.
    return typeof result === 'string' ? resolveDynamicReferences(scope, result) : result
  }
  if (name.startsWith('Fn::'))
    throw new Error(`local/ does not know the intrinsic function ${name} (stack ${scope.stackName})`)
  return Object.fromEntries(
    entries.map(([key, item]) => [key, resolveValue(scope, item)] as const).filter(([, item]) => item !== NO_VALUE),
  )
}

const PSEUDO_PARAMETERS: Record<string, (scope: Scope) => unknown> = {
  'AWS::AccountId': () => ACCOUNT_ID,
  'AWS::Partition': () => PARTITION,
  'AWS::Region': () => REGION,
  'AWS::URLSuffix': () => URL_SUFFIX,
  'AWS::StackName': (scope) => scope.stackName,
  'AWS::StackId': (scope) => `arn:${PARTITION}:cloudformation:${REGION}:${ACCOUNT_ID}:stack/${scope.stackName}/local`,
  'AWS::NotificationARNs': () => [],
  'AWS::NoValue': () => NO_VALUE,
}

const INTRINSICS: Record<string, (scope: Scope, argument: unknown) => unknown> = {
  Ref: (scope, name) => reference(scope, text(name)),
  Condition: (scope, name) => scope.condition(text(name)),
  'Fn::GetAtt': (scope, argument) => {
    const [logicalId, ...rest] = typeof argument === 'string' ? argument.split('.') : list(argument).map(text)
    return scope.attribute(logicalId!, rest.join('.'))
  },
  'Fn::ImportValue': (scope, name) => scope.importValue(text(resolveValue(scope, name))),
  'Fn::Join': (scope, argument) => {
    const [separator, parts] = list(argument)
    return list(resolveValue(scope, parts)).map(text).join(text(separator))
  },
  'Fn::Split': (scope, argument) => {
    const [separator, source] = list(argument)
    return text(resolveValue(scope, source)).split(text(separator))
  },
  'Fn::Select': (scope, argument) => {
    const [index, source] = list(resolveValue(scope, argument))
    const items = list(source)
    const position = Number(index)
    if (!(position in items)) throw new Error(`Fn::Select: there is no element ${position} of ${items.length}`)
    return items[position]
  },
  'Fn::Sub': (scope, argument) => {
    const [template, values] = Array.isArray(argument) ? list(argument) : [argument, {}]
    const own = resolveValue(scope, values) as Record<string, unknown>
    return text(template).replaceAll(/\$\{(!?)([^}]+)\}/g, (_, literal: string, name: string) => {
      if (literal) return `\${${name}}`
      if (name in own) return text(own[name])
      return text(name.includes('.') ? INTRINSICS['Fn::GetAtt']!(scope, name) : reference(scope, name))
    })
  },
  'Fn::GetAZs': () => ['a', 'b', 'c'].map((zone) => `${REGION}${zone}`),
  'Fn::FindInMap': (scope, argument) => {
    const [map, top, second] = list(resolveValue(scope, argument)).map(text)
    const value = scope.mappings[map!]?.[top!]?.[second!]
    if (value === undefined) throw new Error(`Fn::FindInMap: there is no ${map}.${top}.${second}`)
    return value
  },
  'Fn::Base64': (scope, argument) => Buffer.from(text(resolveValue(scope, argument))).toString('base64'),
  'Fn::If': (scope, argument) => {
    const [condition, whenTrue, whenFalse] = list(argument)
    return resolveValue(scope, scope.condition(text(condition)) ? whenTrue : whenFalse)
  },
  'Fn::Equals': (scope, argument) => {
    const [left, right] = list(resolveValue(scope, argument))
    return left === right
  },
  'Fn::And': (scope, argument) => list(resolveValue(scope, argument)).every(Boolean),
  'Fn::Or': (scope, argument) => list(resolveValue(scope, argument)).some(Boolean),
  'Fn::Not': (scope, argument) => !list(resolveValue(scope, argument))[0],
}

function reference(scope: Scope, name: string): unknown {
  const pseudo = PSEUDO_PARAMETERS[name]
  if (pseudo) return pseudo(scope)
  if (name.startsWith('AWS::')) throw new Error(`local/ does not know the pseudo parameter ${name}`)
  return scope.ref(name)
}

/** `{{resolve:secretsmanager:<arn>:SecretString:<json key>:<stage>:<version>}}`; an ARN itself holds colons. */
function resolveDynamicReferences(scope: Scope, value: string): string {
  return value.replaceAll(/\{\{resolve:([^}]*)\}\}/g, (whole, body: string) => {
    const parts = /^secretsmanager:(.+?):SecretString:([^:]*)/.exec(body)
    if (!parts) throw new Error(`local/ does not know the dynamic reference ${whole}`)
    const secret = scope.secret(parts[1]!)
    return parts[2] ? text((JSON.parse(secret) as Record<string, unknown>)[parts[2]]) : secret
  })
}

function text(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw new Error(`Expected a text in a template, found ${JSON.stringify(value)}`)
}

function list(value: unknown): unknown[] {
  if (Array.isArray(value)) return value as unknown[]
  throw new Error(`Expected a list in a template, found ${JSON.stringify(value)}`)
}
