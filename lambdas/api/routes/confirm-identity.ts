import { IdentityRequest } from '../../../schemas/api.ts'
import { confirmCertificate } from '../../data/certificate-renewal.ts'
import { keyHashOfCertificate } from '../../gateways/key-hash.ts'
import { removeEndingCertificates } from '../../gateways/remove-certificates.ts'
import { changeGateway } from '../change-gateway.ts'
import { identify } from '../identity.ts'
import { openRoute } from '../route.ts'

export const route = openRoute({
  method: 'POST',
  path: '/v1/identity/confirm',
  operationId: 'confirmIdentity',
  summary: 'Ends a gateway’s other certificates, asked for with the new one when the broker has taken it',
  body: IdentityRequest,
  answer: { status: 204 },
  async handle({ body, requestId, sourceIp, services }) {
    const held = await identify(services, 'confirm', body, sourceIp)
    await changeGateway(services.db, held, async () => {
      await confirmCertificate(services.db, held, keyHashOfCertificate(held.certificatePem), requestId)
      await removeEndingCertificates(services, held)
    })
    return undefined
  },
})
