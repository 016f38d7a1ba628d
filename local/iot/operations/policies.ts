import * as v from 'valibot'
import { PolicyDocument } from '../policy.ts'
import type { Registry } from '../registry.ts'
import { certificateArn, certificateIdOf, policyArn } from './arns.ts'
import { fail, invalid, IotError, notFound } from './iot-error.ts'

const MAX_POLICY_CHARACTERS = 2048
const MAX_POLICIES_PER_CERTIFICATE = 10
const MAX_VERSIONS = 5

/** Each gives the body of its answer, or throws AWS's error. */
export function policyOperations(registry: Registry) {
  const policy = (name: string) => registry.state.policies[name] ?? fail(notFound(`Policy ${name}`))
  const target = (principal: string) =>
    registry.state.certificates[certificateIdOf(principal)] ?? fail(notFound(`Target ${principal}`))
  const description = (policyName: string) => ({ policyName, policyArn: policyArn(policyName) })
  const document = (policyName: string) => ({ ...description(policyName), policyDocument: policy(policyName).document })
  // The newest: local/ makes no other.
  const defaultVersion = (policyName: string) => String(policy(policyName).nextVersion - 1)
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
      registry.change((s) => {
        s.policies[policyName] = { document: policyDocument, versions: { 1: policyDocument }, nextVersion: 2 }
      })
      return { ...document(policyName), policyVersionId: '1' }
    },
    getPolicy: (policyName: string) => ({ ...document(policyName), defaultVersionId: defaultVersion(policyName) }),
    listPolicies: () => ({ policies: Object.keys(registry.state.policies).map(description) }),
    createVersion(policyName: string, policyDocument: string, setAsDefault: boolean) {
      checkPolicy(policyDocument)
      const { versions, nextVersion } = policy(policyName)
      if (Object.keys(versions).length >= MAX_VERSIONS) {
        throw new IotError(
          'VersionsLimitExceededException',
          409,
          `The policy ${policyName} has ${MAX_VERSIONS} versions`,
        )
      }
      if (!setAsDefault) throw invalid('local/ makes new policy versions only as the default one')
      registry.change((s) => {
        s.policies[policyName] = {
          document: policyDocument,
          versions: { ...versions, [nextVersion]: policyDocument },
          nextVersion: nextVersion + 1,
        }
      })
      return { ...document(policyName), policyVersionId: String(nextVersion), isDefaultVersion: true }
    },
    listVersions: (policyName: string) => ({
      policyVersions: Object.keys(policy(policyName).versions).map((versionId) => ({
        versionId,
        isDefaultVersion: versionId === defaultVersion(policyName),
      })),
    }),
    deleteVersion(policyName: string, versionId: string) {
      if (!(versionId in policy(policyName).versions)) throw notFound(`Version ${versionId} of policy ${policyName}`)
      if (versionId === defaultVersion(policyName)) {
        throw new IotError('DeleteConflictException', 409, `Version ${versionId} of ${policyName} is the default one`)
      }
      registry.change((s) => Reflect.deleteProperty(s.policies[policyName]!.versions, versionId))
      return {}
    },
    deletePolicy(policyName: string) {
      if (Object.keys(policy(policyName).versions).length > 1) {
        throw new IotError(
          'DeleteConflictException',
          409,
          `Cannot delete the policy: it has other versions (name=${policyName})`,
        )
      }
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
    listTargets: (policyName: string) => {
      policy(policyName)
      const targets = Object.entries(registry.state.certificates).filter(([, { policies }]) =>
        policies.includes(policyName),
      )
      return { targets: targets.map(([id]) => certificateArn(id)) }
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
