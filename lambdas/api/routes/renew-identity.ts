import { Enrolment, RenewalRequest } from '../../../schemas/api.ts'
import { beginRenewal } from '../../data/certificate-renewal.ts'
import { findGatewayById } from '../../data/gateway-lifecycle.ts'
import { mqttEndpoint } from '../../gateways/endpoint.ts'
import { issueCertificate } from '../../gateways/issue-certificate.ts'
import { keyHashOfCertificate } from '../../gateways/key-hash.ts'
import { removeEndingCertificates } from '../../gateways/remove-certificates.ts'
import { changeGateway } from '../change-gateway.ts'
import { checkCsr, keyInUse } from '../check-csr.ts'
import { gatewayPlace } from '../gateway-place.ts'
import { identify } from '../identity.ts'
import { notFound } from '../problem.ts'
import { openRoute } from '../route.ts'

/** Both certificates are valid until the new one is confirmed. */
export const route = openRoute({
  method: 'POST',
  path: '/v1/identity/renew',
  operationId: 'renewIdentity',
  summary: 'Gives a gateway a certificate for a new key, the same again for the same key',
  body: RenewalRequest,
  answer: { status: 200, schema: Enrolment },
  async handle({ body, requestId, sourceIp, services }) {
    const { db, iot, iotCaPem } = services
    const held = await identify(services, 'renew', body, sourceIp)
    const csr = await checkCsr(body.csr)
    const endpoint = await mqttEndpoint(iot)
    return changeGateway(db, held, async () => {
      const gateway = await findGatewayById(db, held)
      if (gateway === undefined) throw notFound()
      await beginRenewal(db, held, { present: keyHashOfCertificate(held.certificatePem), next: csr.keyHash })
      await removeEndingCertificates({ db, iot }, held)
      const certificate = await issueCertificate({ db, iot }, held, csr, requestId)
      if (certificate === undefined) throw keyInUse()
      return {
        ...{
          thingName: held.thingName,
          certificateId: certificate.id,
          certificatePem: certificate.pem,
          caPem: iotCaPem,
        },
        ...gatewayPlace(gateway, endpoint),
      }
    })
  },
})
