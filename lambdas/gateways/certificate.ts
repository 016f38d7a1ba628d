/** A gateway's certificate in AWS IoT: made from its CSR, bound to its policy and its Thing, found by its key, and removed. */
import {
  AttachPolicyCommand,
  AttachThingPrincipalCommand,
  CreateCertificateFromCsrCommand,
  DeleteCertificateCommand,
  DescribeCertificateCommand,
  DetachPolicyCommand,
  DetachThingPrincipalCommand,
  ListCertificatesCommand,
  UpdateCertificateCommand,
  type IoTClient,
} from '@aws-sdk/client-iot'
import { ignoringAbsence } from './ignoring-absence.ts'
import { keyHashOfCertificate } from './key-hash.ts'
import { onceDetached } from './once-detached.ts'

export interface Certificate {
  id: string
  arn: string
  pem: string
}

/** The most that AWS IoT lists at once. */
const PAGE_SIZE = 250
/** How far AWS's clock may be behind ours. */
const CLOCK_TOLERANCE_MS = 300_000

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

/** Those of the key that AWS IoT has made since then (epoch ms): of a call whose answer was lost. One at most, as a rule. */
export async function certificatesOfKey(iot: IoTClient, keyHash: Buffer, since: number): Promise<Certificate[]> {
  const found: Certificate[] = []
  let marker: string | undefined
  do {
    const page = await iot.send(new ListCertificatesCommand({ pageSize: PAGE_SIZE, ascendingOrder: false, marker }))
    for (const { certificateId, creationDate } of page.certificates ?? []) {
      if (creationDate && creationDate.getTime() < since - CLOCK_TOLERANCE_MS) return found
      const certificate = await findCertificate(iot, certificateId!)
      if (certificate && keyHashOfCertificate(certificate.pem).equals(keyHash)) found.push(certificate)
    }
    marker = page.nextMarker
  } while (marker !== undefined)
  return found
}

/** Undefined when AWS IoT has none of this id. */
export async function findCertificate(iot: IoTClient, certificateId: string): Promise<Certificate | undefined> {
  let certificate: Certificate | undefined
  await ignoringAbsence(async () => {
    const { certificateDescription } = await iot.send(new DescribeCertificateCommand({ certificateId }))
    const { certificateArn: arn, certificatePem: pem } = certificateDescription ?? {}
    if (arn !== undefined && pem !== undefined) certificate = { id: certificateId, arn, pem }
  })
  return certificate
}

/** One that was found may be INACTIVE: whoever wanted to remove it had got no farther. */
export async function activateCertificate(iot: IoTClient, { id }: Pick<Certificate, 'id'>): Promise<void> {
  await iot.send(new UpdateCertificateCommand({ certificateId: id, newStatus: 'ACTIVE' }))
}

/** Both are no error when it is attached already. The Thing comes last: without it the policy allows no connection. */
export async function attachCertificate(
  iot: IoTClient,
  thingName: string,
  { arn }: Pick<Certificate, 'arn'>,
): Promise<void> {
  await iot.send(new AttachPolicyCommand({ policyName: thingName, target: arn }))
  await iot.send(new AttachThingPrincipalCommand({ thingName, principal: arn }))
}

/** In AWS's order: it deletes only what is INACTIVE and detached. Whatever is gone already is as it should be. */
export async function removeCertificate(
  iot: IoTClient,
  thingName: string,
  { id: certificateId, arn }: Pick<Certificate, 'id' | 'arn'>,
): Promise<void> {
  await ignoringAbsence(() => iot.send(new UpdateCertificateCommand({ certificateId, newStatus: 'INACTIVE' })))
  await ignoringAbsence(() => iot.send(new DetachPolicyCommand({ policyName: thingName, target: arn })))
  await ignoringAbsence(() => iot.send(new DetachThingPrincipalCommand({ thingName, principal: arn })))
  await ignoringAbsence(() => onceDetached(() => iot.send(new DeleteCertificateCommand({ certificateId }))))
}
