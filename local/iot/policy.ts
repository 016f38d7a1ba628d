/** AWS IoT policies: https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html, as far as gateways use them. */
import * as v from 'valibot'
import { wildcard } from '../iam/wildcard.ts'

export const POLICY_ACTIONS = ['Connect', 'Publish', 'RetainPublish', 'Subscribe', 'Receive'] as const
export type PolicyAction = (typeof POLICY_ACTIONS)[number]

const oneOrMany = <T extends v.GenericSchema>(item: T) => v.union([item, v.array(item)])

/** An element, operator or variable that is not known here is refused at CreatePolicy: never ignored in silence. */
export const PolicyDocument = v.strictObject({
  Version: v.literal('2012-10-17'),
  Statement: v.array(
    v.strictObject({
      Sid: v.optional(v.string()),
      Effect: v.picklist(['Allow', 'Deny']),
      Action: oneOrMany(v.picklist(['iot:*', ...POLICY_ACTIONS.map((action) => `iot:${action}` as const)])),
      Resource: oneOrMany(
        v.pipe(
          v.string(),
          v.check(
            (text) => [...text.matchAll(VARIABLE)].every(([, name]) => name! in VARIABLES),
            'uses a policy variable that local/ does not know',
          ),
        ),
      ),
      Condition: v.optional(
        v.strictObject({
          Bool: v.strictObject({ 'iot:Connection.Thing.IsAttached': oneOrMany(v.picklist(['true', 'false'])) }),
        }),
      ),
    }),
  ),
})
export type PolicyDocument = v.InferOutput<typeof PolicyDocument>

/** The connection that asks. `thingName`: the Thing that has the clientId as name and the certificate attached. */
export interface PolicySubject {
  clientId: string
  thingName: string | undefined
}

const VARIABLE = /\$\{([^}]*)\}/g
const VARIABLES: Record<string, (subject: PolicySubject) => string | undefined> = {
  'iot:Connection.Thing.ThingName': (subject) => subject.thingName,
  'iot:ClientId': (subject) => subject.clientId,
}

/** Denied unless a statement allows it and none denies it. `resource` is an ARN. */
export function isAllowed(
  documents: PolicyDocument[],
  subject: PolicySubject,
  action: PolicyAction,
  resource: string,
): boolean {
  const effects = documents
    .flatMap((document) => document.Statement)
    .filter(
      (statement) =>
        list(statement.Action).some((name) => name === 'iot:*' || name === `iot:${action}`) &&
        list(statement.Resource).some((pattern) => matchesResource(pattern, subject, resource)) &&
        holds(statement.Condition, subject),
    )
    .map((statement) => statement.Effect)
  return effects.includes('Allow') && !effects.includes('Deny')
}

function matchesResource(pattern: string, subject: PolicySubject, resource: string): boolean {
  const values = new Map([...pattern.matchAll(VARIABLE)].map(([whole, name]) => [whole, VARIABLES[name!]?.(subject)]))
  // A statement whose variable has no value does not apply (same page, "Thing policy variables").
  if ([...values.values()].includes(undefined)) return false
  return wildcard(pattern.replaceAll(VARIABLE, (whole) => values.get(whole)!)).test(resource)
}

function holds(condition: PolicyDocument['Statement'][number]['Condition'], subject: PolicySubject): boolean {
  if (!condition) return true
  const isAttached = subject.thingName === undefined ? 'false' : 'true'
  return list(condition.Bool['iot:Connection.Thing.IsAttached']).includes(isAttached)
}

const list = <T>(oneOrMore: T | T[]): T[] => (Array.isArray(oneOrMore) ? oneOrMore : [oneOrMore])
