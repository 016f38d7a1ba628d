import { Enrolment, EnrolmentRequest } from '../../../schemas/api.ts'
import { statusTopic, telemetryTopic } from '../../../schemas/topics.ts'
import { claimEnrolment, findEnrolment, releaseEnrolment } from '../../data/enrolments.ts'
import { forgetCertificate, storeCertificate } from '../../data/gateway-certificate.ts'
import { logger } from '../../runtime/frame.ts'
import { checkCsr } from '../check-csr.ts'
import {
  attachPolicy,
  attachThing,
  createCertificate,
  deleteCertificate,
  detachPolicy,
  detachThing,
} from '../iot/certificate.ts'
import { mqttEndpoint } from '../iot/endpoint.ts'
import { sha256 } from '../one-time-secret.ts'
import { ApiError } from '../problem.ts'
import { openRoute } from '../route.ts'
import { withUndo } from '../with-undo.ts'

/** The token is used up first, so that of two calls at once one makes a certificate, and given back when that fails. */
export const route = openRoute({
  method: 'POST',
  path: '/v1/enrolments',
  operationId: 'enrol',
  summary: 'Exchanges a one-time token and a certificate signing request for a gateway’s certificate',
  body: EnrolmentRequest,
  answer: { status: 201, schema: Enrolment },
  async handle({ body, requestId, services: { db, iot, iotCaPem } }) {
    const enrolment = await findEnrolment(db, sha256(body.token))
    if (enrolment?.usedAt !== null || enrolment.expiresAt <= Date.now()) throw invalidToken()
    const csr = await checkCsr(body.csr)
    const endpoint = await mqttEndpoint(iot)

    return withUndo(async (onFailure) => {
      const gateway = await claimEnrolment(db, enrolment)
      if (gateway === undefined) throw invalidToken()
      const { tenant, province, plant, thingName } = gateway
      logger.appendKeys({ tenant, plant, gateway: thingName })
      onFailure('give the token back', () => releaseEnrolment(db, enrolment))

      const certificate = await createCertificate(iot, csr)
      onFailure('delete the certificate', () => deleteCertificate(iot, certificate))

      onFailure('detach the policy', () => detachPolicy(iot, thingName, certificate))
      await attachPolicy(iot, thingName, certificate)

      onFailure('detach the Thing', () => detachThing(iot, thingName, certificate))
      await attachThing(iot, thingName, certificate)

      onFailure('forget the certificate', () => forgetCertificate(db, enrolment, certificate.id))
      await storeCertificate(db, enrolment, { thingName, certificateId: certificate.id, requestId })

      const topics = {
        telemetry: telemetryTopic({ tenant, province, plant, machine: 'machine' }).replace(
          /machine(?=\/telemetry$)/,
          '{machine}',
        ),
        status: statusTopic(gateway),
      }
      return { thingName, certificatePem: certificate.pem, caPem: iotCaPem, endpoint, topics, tenant, province, plant }
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
