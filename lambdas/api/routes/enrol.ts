import { Enrolment, EnrolmentRequest } from '../../../schemas/api.ts'
import { claimEnrolment, findEnrolment } from '../../data/enrolments.ts'
import { mqttEndpoint } from '../../gateways/endpoint.ts'
import { issueCertificate } from '../../gateways/issue-certificate.ts'
import { logger } from '../../runtime/frame.ts'
import { changeGateway } from '../change-gateway.ts'
import { checkCsr, keyInUse } from '../check-csr.ts'
import { guardSecret } from '../guessing.ts'
import { gatewayPlace } from '../gateway-place.ts'
import { sha256 } from '../one-time-secret.ts'
import { ApiError } from '../problem.ts'
import { openRoute } from '../route.ts'

/** The first key that comes with a token is the only one that it works for, so an answer that was lost can be asked for again. */
export const route = openRoute({
  method: 'POST',
  path: '/v1/enrolments',
  operationId: 'enrol',
  summary: 'Exchanges a one-time token and a certificate signing request for a gateway’s certificate',
  body: EnrolmentRequest,
  answer: { status: 201, schema: Enrolment },
  async handle({ body, requestId, sourceIp, services }) {
    const { db, iot, iotCaPem } = services
    const enrolment = await guardSecret(services, sourceIp, invalidToken, async () => {
      const found = await findEnrolment(db, sha256(body.token))
      return found !== undefined && found.expiresAt > Date.now() ? found : undefined
    })
    const csr = await checkCsr(body.csr)
    const endpoint = await mqttEndpoint(iot)

    return changeGateway(db, enrolment, async () => {
      const address = await claimEnrolment(db, enrolment, csr.keyHash)
      if (address === undefined) throw invalidToken()
      const { tenant, plant, thingName } = address
      logger.appendKeys({ tenant, plant, gateway: thingName })
      const certificate = await issueCertificate({ db, iot }, { ...enrolment, thingName }, csr, requestId)
      if (certificate === undefined) throw keyInUse()
      return {
        ...{ thingName, certificateId: certificate.id, certificatePem: certificate.pem, caPem: iotCaPem },
        ...gatewayPlace(address, endpoint),
      }
    })
  },
})

/** One answer for a token that is wrong, used or too old: nothing to learn by trying. */
function invalidToken(): ApiError {
  return new ApiError(
    'invalid_enrolment_token',
    'Ask your administrator for a new command: it works once, within an hour.',
  )
}
