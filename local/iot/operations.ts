/**
 * The operations of AWS IoT's control plane that onboarding calls, with the errors that AWS answers
 * (https://docs.aws.amazon.com/iot/latest/apireference). Each returns the body of its answer.
 */
import { randomUUID } from 'node:crypto'
import * as v from 'valibot'
import { arn } from '../aws-identity.ts'
import type { CertificateAuthority } from './certificate-authority.ts'
import { PolicyDocument } from './policy.ts'
import type { Registry } from './registry.ts'

export class IotError extends Error {
  readonly code: string
  readonly status: number
  readonly details: Record<string, string>

  constructor(code: string, status: number, message: string, details: Record<string, string> = {}) {
    super(message)
    this.code = code
    this.status = status
    this.details = details
  }
}

const MAX_POLICY_CHARACTERS = 2048
const MAX_POLICIES_PER_CERTIFICATE = 10

const notFound = (what: string) => new IotError('ResourceNotFoundException', 404, `${what} does not exist`)
const invalid = (message: string) => new IotError('InvalidRequestException', 400, message)

export const thingArn = (name: string) => arn('iot', `thing/${name}`)
export const policyArn = (name: string) => arn('iot', `policy/${name}`)
export const certificateArn = (id: string) => arn('iot', `cert/${id}`)
const certificateIdOf = (principal: string) => principal.split('/').at(-1)!

export function thingOperations(registry: Registry) {
  const thing = (name: string) => registry.state.things[name] ?? fail(notFound(`Thing ${name}`))
  return {
    createThing(thingName: string) {
      const existing = registry.state.things[thingName]
      // The same call again is no error: only other attributes would be.
      if (!existing) registry.change((s) => (s.things[thingName] = { thingId: randomUUID(), principals: [] }))
      return { thingName, thingArn: thingArn(thingName), thingId: registry.state.things[thingName]!.thingId }
    },
    describeThing(thingName: string) {
      const { thingId } = thing(thingName)
      return {
        thingName,
        thingArn: thingArn(thingName),
        thingId,
        defaultClientId: thingName,
        attributes: {},
        version: 1,
      }
    },
    deleteThing(thingName: string) {
      const existing = registry.state.things[thingName]
      if (existing && existing.principals.length > 0) {
        throw invalid(`Cannot delete. Thing ${thingName} is still attached to one or more principals`)
      }
      registry.change((s) => delete s.things[thingName])
      return {}
    },
    attachPrincipal(thingName: string, principal: string) {
      thing(thingName)
      const id = certificateIdOf(principal)
      if (!registry.state.certificates[id]) throw notFound(`Principal ${principal}`)
      registry.change((s) => (s.things[thingName]!.principals = [...new Set([...s.things[thingName]!.principals, id])]))
      return {}
    },
    detachPrincipal(thingName: string, principal: string) {
      thing(thingName)
      const id = certificateIdOf(principal)
      registry.change(
        (s) => (s.things[thingName]!.principals = s.things[thingName]!.principals.filter((p) => p !== id)),
      )
      return {}
    },
    listPrincipals: (thingName: string) => ({ principals: thing(thingName).principals.map(certificateArn) }),
  }
}

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
      registry.change((s) => delete s.policies[policyName])
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

export function certificateOperations(registry: Registry, authority: CertificateAuthority) {
  const certificate = (id: string) => registry.state.certificates[id] ?? fail(notFound(`Certificate ${id}`))
  return {
    async createFromCsr(csrPem: string, setAsActive: boolean) {
      const { certificateId, certificatePem } = await authority.sign(csrPem).catch((cause: unknown) => {
        throw new IotError(
          'CertificateValidationException',
          400,
          `The certificate signing request is not valid: ${String(cause)}`,
        )
      })
      const status = setAsActive ? 'ACTIVE' : 'INACTIVE'
      registry.change(
        (s) => (s.certificates[certificateId] = { pem: certificatePem, status, policies: [], createdAt: Date.now() }),
      )
      return { certificateId, certificateArn: certificateArn(certificateId), certificatePem }
    },
    describe(certificateId: string) {
      const { pem, status, createdAt } = certificate(certificateId)
      const creationDate = createdAt / 1000
      return {
        certificateDescription: {
          certificateId,
          certificateArn: certificateArn(certificateId),
          certificatePem: pem,
          status,
          creationDate,
        },
      }
    },
    update(certificateId: string, newStatus: string) {
      certificate(certificateId)
      if (newStatus !== 'ACTIVE' && newStatus !== 'INACTIVE')
        throw invalid(`local/ does not know the certificate status ${newStatus}`)
      registry.change((s) => (s.certificates[certificateId]!.status = newStatus))
      return {}
    },
    delete(certificateId: string) {
      const { status, policies } = certificate(certificateId)
      if (status === 'ACTIVE') {
        throw new IotError(
          'CertificateStateException',
          406,
          `Certificate must be deactivated before deletion (id=${certificateId})`,
        )
      }
      const isAttached = Object.values(registry.state.things).some((thing) => thing.principals.includes(certificateId))
      if (policies.length > 0 || isAttached) {
        throw new IotError(
          'DeleteConflictException',
          409,
          `Things or policies must be detached before deletion (id=${certificateId})`,
        )
      }
      registry.change((s) => delete s.certificates[certificateId])
      return {}
    },
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

function fail(error: IotError): never {
  throw error
}
