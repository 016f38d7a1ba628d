/** AWS IoT's control plane in memory, behind the real SDK client: its rules of what may be deleted, and failures on demand. */
import * as iot from '@aws-sdk/client-iot'
import { mockClient } from 'aws-sdk-client-mock'

const ARN = 'arn:aws:iot:us-east-1:123456789012'

interface Certificate {
  status: string
  policies: Set<string>
  things: Set<string>
}

export class FakeIot {
  readonly things = new Set<string>()
  readonly policies = new Map<string, string>()
  readonly certificates = new Map<string, Certificate>()
  /** Names of the commands that have arrived, in order. */
  readonly calls: string[] = []
  #failure: { command: string; when: 'before' | 'after' } | undefined
  #count = 0

  constructor(client: iot.IoTClient) {
    mockClient(client)
      .onAnyCommand()
      .callsFake((input: unknown) => {
        throw new Error(`FakeIot was asked what it does not know: ${JSON.stringify(input)}`)
      })
      .on(iot.DescribeEndpointCommand)
      .callsFake(() => ({ endpointAddress: 'abc-ats.iot.us-east-1.amazonaws.com' }))
      .on(iot.CreateThingCommand)
      .callsFake(
        this.#call('CreateThing', ({ thingName }) => {
          this.things.add(thingName!)
          return { thingName, thingArn: `${ARN}:thing/${thingName}` }
        }),
      )
      .on(iot.DeleteThingCommand)
      .callsFake(
        this.#call('DeleteThing', ({ thingName }) => {
          if (!this.things.has(thingName!)) throw absent()
          for (const { things } of this.certificates.values()) if (things.has(thingName!)) throw inUse()
          this.things.delete(thingName!)
        }),
      )
      .on(iot.CreatePolicyCommand)
      .callsFake(
        this.#call('CreatePolicy', ({ policyName, policyDocument }) => {
          if (this.policies.has(policyName!)) {
            throw new iot.ResourceAlreadyExistsException({ message: 'exists', $metadata: {} })
          }
          this.policies.set(policyName!, policyDocument!)
        }),
      )
      .on(iot.GetPolicyCommand)
      .callsFake(this.#call('GetPolicy', ({ policyName }) => ({ policyDocument: this.policies.get(policyName!) })))
      .on(iot.DeletePolicyCommand)
      .callsFake(
        this.#call('DeletePolicy', ({ policyName }) => {
          if (!this.policies.has(policyName!)) throw absent()
          for (const { policies } of this.certificates.values()) if (policies.has(policyName!)) throw inUse()
          this.policies.delete(policyName!)
        }),
      )
      .on(iot.CreateCertificateFromCsrCommand)
      .callsFake(
        this.#call('CreateCertificateFromCsr', ({ setAsActive }) => {
          const certificateId = `certificate-${++this.#count}`
          const status = setAsActive ? 'ACTIVE' : 'INACTIVE'
          this.certificates.set(certificateId, { status, policies: new Set(), things: new Set() })
          return {
            certificateId,
            certificateArn: `${ARN}:cert/${certificateId}`,
            certificatePem: `PEM of ${certificateId}`,
          }
        }),
      )
      .on(iot.UpdateCertificateCommand)
      .callsFake(
        this.#call('UpdateCertificate', ({ certificateId, newStatus }) => {
          this.#certificate(certificateId!).status = newStatus!
        }),
      )
      .on(iot.DeleteCertificateCommand)
      .callsFake(
        this.#call('DeleteCertificate', ({ certificateId }) => {
          const { status, policies, things } = this.#certificate(certificateId!)
          if (status !== 'INACTIVE' || policies.size > 0 || things.size > 0) throw inUse()
          this.certificates.delete(certificateId!)
        }),
      )
      .on(iot.AttachPolicyCommand)
      .callsFake(
        this.#call('AttachPolicy', ({ policyName, target }) => {
          if (!this.policies.has(policyName!)) throw absent()
          this.#certificate(target!).policies.add(policyName!)
        }),
      )
      .on(iot.DetachPolicyCommand)
      .callsFake(
        this.#call('DetachPolicy', ({ policyName, target }) => {
          this.#certificate(target!).policies.delete(policyName!)
        }),
      )
      .on(iot.AttachThingPrincipalCommand)
      .callsFake(
        this.#call('AttachThingPrincipal', ({ thingName, principal }) => {
          if (!this.things.has(thingName!)) throw absent()
          this.#certificate(principal!).things.add(thingName!)
        }),
      )
      .on(iot.DetachThingPrincipalCommand)
      .callsFake(
        this.#call('DetachThingPrincipal', ({ thingName, principal }) => {
          this.#certificate(principal!).things.delete(thingName!)
        }),
      )
  }

  /** The next call of the command fails, before it has an effect or after. */
  failAt(command: string, when: 'before' | 'after'): void {
    this.#failure = { command, when }
  }

  #call(command: string, effect: (input: Record<string, string | undefined>) => unknown) {
    return (input: Record<string, string | undefined>) => {
      this.calls.push(command)
      const failure = this.#failure?.command === command ? this.#failure.when : undefined
      if (failure) this.#failure = undefined
      if (failure === 'before') throw new Error(`${command} failed`)
      const answer = effect(input) ?? {}
      if (failure === 'after') throw new Error(`the answer of ${command} was lost`)
      return answer
    }
  }

  /** By id, or by the ARN that ends in it. */
  #certificate(name: string): Certificate {
    const found = this.certificates.get(name.split('/').at(-1)!)
    if (!found) throw absent()
    return found
  }
}

const absent = () => new iot.ResourceNotFoundException({ message: 'not found', $metadata: {} })
const inUse = () => new iot.DeleteConflictException({ message: 'in use', $metadata: {} })
