/** A gateway's certificate: made from its CSR, bound to its policy and its Thing; and each of these taken back. */
import {
  AttachPolicyCommand,
  AttachThingPrincipalCommand,
  CreateCertificateFromCsrCommand,
  DeleteCertificateCommand,
  DetachPolicyCommand,
  DetachThingPrincipalCommand,
  UpdateCertificateCommand,
  type IoTClient,
} from '@aws-sdk/client-iot'
import { ignoringAbsence } from './ignoring-absence.ts'

export interface Certificate {
  id: string
  arn: string
  pem: string
}

/** Active at once: without a policy it allows nothing yet. */
export async function createCertificate(iot: IoTClient, csrPem: string): Promise<Certificate> {
  const answer = await iot.send(
    new CreateCertificateFromCsrCommand({ certificateSigningRequest: csrPem, setAsActive: true }),
  )
  const { certificateId: id, certificateArn: arn, certificatePem: pem } = answer
  if (id === undefined || arn === undefined || pem === undefined) {
    throw new Error('CreateCertificateFromCsr gave no certificate')
  }
  return { id, arn, pem }
}

export async function attachPolicy(iot: IoTClient, thingName: string, certificate: Certificate): Promise<void> {
  await iot.send(new AttachPolicyCommand({ policyName: thingName, target: certificate.arn }))
}

export async function attachThing(iot: IoTClient, thingName: string, certificate: Certificate): Promise<void> {
  await iot.send(new AttachThingPrincipalCommand({ thingName, principal: certificate.arn }))
}

export function detachPolicy(iot: IoTClient, thingName: string, certificate: Certificate): Promise<void> {
  return ignoringAbsence(() => iot.send(new DetachPolicyCommand({ policyName: thingName, target: certificate.arn })))
}

export function detachThing(iot: IoTClient, thingName: string, certificate: Certificate): Promise<void> {
  return ignoringAbsence(() => iot.send(new DetachThingPrincipalCommand({ thingName, principal: certificate.arn })))
}

/** AWS deletes only a certificate that is INACTIVE and detached. */
export function deleteCertificate(iot: IoTClient, { id: certificateId }: Certificate): Promise<void> {
  return ignoringAbsence(async () => {
    await iot.send(new UpdateCertificateCommand({ certificateId, newStatus: 'INACTIVE' }))
    await iot.send(new DeleteCertificateCommand({ certificateId }))
  })
}
