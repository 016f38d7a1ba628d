import * as v from 'valibot'
import { PolicyDocument } from '../policy.ts'
import type { Registry } from '../registry.ts'
import { certificateIdOf, policyArn } from './arns.ts'
import { fail, IotError, notFound } from './iot-error.ts'

const MAX_POLICY_CHARACTERS = 2048
const MAX_POLICIES_PER_CERTIFICATE = 10

/** Each gives the body of its answer, or throws AWS's error. */
export function policyOperations(registry: Registry) {
  const policy = (name: string) => registry.state.policies[name] ?? fail(notFound(`Policy ${name}`))
  const target = (principal: string) =>
    registry.state.certificates[certificateIdOf(principal)] ?? fail(notFound(`Target ${principal}`))
  const description = (policyName: string) => ({ policyName, policyArn: policyArn(policyName) })
  const document = (policyName: string) => ({ ...description(policyName), policyDocument: policy(policyName).document })
  return {
    createPolicy(policyName: string, policyDocument: string) {
      checkPolicy(policyDocument)
      if (registry.state.policies[policyName]) {
        throw new IotError(
          'ResourceAlreadyExistsException',
          409,
          `Policy cannot be created - name already exists (name=${policyName})`,
          {
            resourceId: policyName,
            resourceArn: policyArn(policyName),
          },
        )
      }
      registry.change((s) => (s.policies[policyName] = { document: policyDocument }))
      return { ...document(policyName), policyVersionId: '1' }
    },
    getPolicy: (policyName: string) => ({ ...document(policyName), defaultVersionId: '1' }),
    deletePolicy(policyName: string) {
      policy(policyName)
      if (Object.values(registry.state.certificates).some((c) => c.policies.includes(policyName))) {
        throw new IotError(
          'DeleteConflictException',
          409,
          `Cannot delete the policy because it is attached to one or more principals (name=${policyName})`,
        )
      }
      registry.change((s) => Reflect.deleteProperty(s.policies, policyName))
      return {}
    },
    attachPolicy(policyName: string, principal: string) {
      policy(policyName)
      const policies = [...new Set([...target(principal).policies, policyName])]
      if (policies.length > MAX_POLICIES_PER_CERTIFICATE) {
        throw new IotError('LimitExceededException', 410, `At most ${MAX_POLICIES_PER_CERTIFICATE} policies per target`)
      }
      registry.change((s) => (s.certificates[certificateIdOf(principal)]!.policies = policies))
      return {}
    },
    detachPolicy(policyName: string, principal: string) {
      policy(policyName)
      const policies = target(principal).policies.filter((name) => name !== policyName)
      registry.change((s) => (s.certificates[certificateIdOf(principal)]!.policies = policies))
      return {}
    },
    listAttachedPolicies: (principal: string) => ({ policies: target(principal).policies.map(description) }),
  }
}

function checkPolicy(text: string): void {
  if (text.replace(/\s/g, '').length > MAX_POLICY_CHARACTERS) {
    throw new IotError(
      'MalformedPolicyException',
      400,
      `The policy document is longer than ${MAX_POLICY_CHARACTERS} characters`,
    )
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new IotError('MalformedPolicyException', 400, `The policy document is not JSON: ${String(error)}`)
  }
  const { issues } = v.safeParse(PolicyDocument, parsed)
  if (issues) throw new IotError('MalformedPolicyException', 400, v.summarize(issues))
}
