import type { CertificateAuthority } from '../certificate-authority.ts'
import type { Registry } from '../registry.ts'
import { certificateArn } from './arns.ts'
import { fail, invalid, IotError, notFound } from './iot-error.ts'

/** Each gives the body of its answer, or throws AWS's error. */
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
    /** Newest first: no other order is asked for. */
    list: () => ({
      certificates: Object.entries(registry.state.certificates)
        .toSorted(([, a], [, b]) => b.createdAt - a.createdAt)
        .map(([certificateId, { status, createdAt }]) => ({
          certificateId,
          certificateArn: certificateArn(certificateId),
          status,
          creationDate: createdAt / 1000,
        })),
    }),
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
      registry.change((s) => Reflect.deleteProperty(s.certificates, certificateId))
      return {}
    },
  }
}
