/** The roles of the templates, and what IAM would let them do. */
import * as v from 'valibot'
import type { Assembly } from '../assembly/assembly.ts'
import { wildcard } from './wildcard.ts'

const oneOrMany = v.pipe(
  v.union([v.string(), v.array(v.string())]),
  v.transform((value) => [value].flat()),
)

/** An element that is not known here (a condition, say) stops the start: never ignored in silence. */
const Document = v.object({
  Statement: v.array(
    v.strictObject({
      Sid: v.optional(v.string()),
      Effect: v.picklist(['Allow', 'Deny']),
      Action: oneOrMany,
      Resource: oneOrMany,
    }),
  ),
})
const Inline = v.array(v.object({ PolicyDocument: Document }))
const Trust = v.object({
  Statement: v.array(
    v.object({ Action: v.literal('sts:AssumeRole'), Principal: v.strictObject({ Service: oneOrMany }) }),
  ),
})

export interface Statement {
  effect: 'Allow' | 'Deny'
  actions: string[]
  /** ARNs, with wildcards. */
  resources: string[]
}

export interface Role {
  arn: string
  /** Services that may act as it: `lambda.amazonaws.com`. */
  trusts: string[]
  statements: Statement[]
  /** Of AWS, which are not read here. */
  managedPolicies: string[]
}

/** By ARN. */
export function readRoles(assembly: Assembly): Map<string, Role> {
  const attached = assembly.resources('AWS::IAM::Policy').flatMap(({ properties }) =>
    v.parse(v.array(v.string()), properties.Roles).map((role) => ({
      role,
      statements: statementsOf(v.parse(Document, properties.PolicyDocument)),
    })),
  )
  const roles = assembly.resources('AWS::IAM::Role').map((resource): Role => {
    const { AssumeRolePolicyDocument, Policies = [], ManagedPolicyArns = [] } = resource.properties
    const inline = v.parse(Inline, Policies).flatMap((policy) => statementsOf(policy.PolicyDocument))
    const name = assembly.ref(resource)
    return {
      arn: String(assembly.attribute(resource, 'Arn')),
      trusts: v.parse(Trust, AssumeRolePolicyDocument).Statement.flatMap(({ Principal }) => Principal.Service),
      statements: [...inline, ...attached.filter(({ role }) => role === name).flatMap(({ statements }) => statements)],
      managedPolicies: v.parse(v.array(v.string()), ManagedPolicyArns),
    }
  })
  return new Map(roles.map((role) => [role.arn, role]))
}

/** Denied unless a statement allows it and none denies it. */
export function isAllowed({ statements }: Pick<Role, 'statements'>, action: string, resource: string): boolean {
  const effects = statements
    .filter(({ actions, resources }) => actions.some(covers(action)) && resources.some(covers(resource)))
    .map(({ effect }) => effect)
  return effects.includes('Allow') && !effects.includes('Deny')
}

const covers = (value: string) => (pattern: string) => wildcard(pattern).test(value)

const statementsOf = ({ Statement }: v.InferOutput<typeof Document>): Statement[] =>
  Statement.map(({ Effect, Action, Resource }) => ({ effect: Effect, actions: Action, resources: Resource }))
