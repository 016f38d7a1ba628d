/** Who may invoke a function: without a permission of its own, AWS's services answer 500 or stay silent. */
import * as v from 'valibot'
import { arn } from '../aws-identity.ts'
import type { Assembly } from '../assembly/assembly.ts'
import { readApis } from '../assembly/read-apis.ts'
import { wildcard } from './wildcard.ts'

const Permission = v.strictObject({
  Action: v.literal('lambda:InvokeFunction'),
  FunctionName: v.string(),
  Principal: v.string(),
  SourceArn: v.string(),
})

/** A line for each call of a service that no `AWS::Lambda::Permission` lets through. */
export function refusedInvocations(assembly: Assembly): string[] {
  const permissions = assembly
    .resources('AWS::Lambda::Permission')
    .map(({ properties }) => v.parse(Permission, properties))
  const isPermitted = ({ service, source, functionName }: Invocation) =>
    permissions.some(
      ({ Principal, SourceArn, FunctionName }) =>
        Principal === service && lastPart(FunctionName) === functionName && wildcard(SourceArn).test(source),
    )
  return [...ofApis(assembly), ...ofSchedules(assembly)]
    .filter((invocation) => !isPermitted(invocation))
    .map(({ service, source, functionName }) => `${service} may not invoke ${functionName} for ${source}`)
}

interface Invocation {
  service: string
  /** ARN of what asks for it. */
  source: string
  functionName: string
}

function ofApis(assembly: Assembly): Invocation[] {
  const service = 'apigateway.amazonaws.com'
  return readApis(assembly).flatMap(({ apiId, stage, routes }) =>
    routes.flatMap(({ key, functionName, authorizer }) => {
      // `GET /v1/health` -> `GET/v1/health`; ANY stands for each method.
      const route = key.replace(' ', '').replace(/^ANY/, 'GET')
      const invocations = [{ service, functionName, source: arn('execute-api', `${apiId}/${stage}/${route}`) }]
      if (authorizer === undefined) return invocations
      const source = arn('execute-api', `${apiId}/authorizers/${authorizer.id}`)
      return [...invocations, { service, functionName: authorizer.functionName, source }]
    }),
  )
}

const Targets = v.array(v.object({ Arn: v.string() }))

function ofSchedules(assembly: Assembly): Invocation[] {
  return assembly.resources('AWS::Events::Rule').flatMap((rule) =>
    v.parse(Targets, rule.properties.Targets).map(({ Arn }) => ({
      ...{ service: 'events.amazonaws.com', functionName: lastPart(Arn) },
      source: String(assembly.attribute(rule, 'Arn')),
    })),
  )
}

const lastPart = (arnOrName: string) => arnOrName.split(':').at(-1)!
