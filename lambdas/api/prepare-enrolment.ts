import { addEnrolmentToken } from '../data/enrolments.ts'
import type { GatewayRef } from '../data/gateway-lease.ts'
import type { GatewayAddress } from '../../schemas/topics.ts'
import { removeEndingCertificates } from '../gateways/remove-certificates.ts'
import { createThing, deletePolicy, deleteThing, putPolicy, ThingOfOthers } from '../gateways/thing-and-policy.ts'
import type { OnFailure } from '../runtime/with-undo.ts'
import { newSecret, sha256 } from './one-time-secret.ts'
import { ApiError } from './problem.ts'
import type { Services } from './services.ts'

const TOKEN_LIFETIME_MS = 60 * 60 * 1000

export interface PreparedEnrolment {
  token: string
  /** Epoch ms. */
  expiresAt: number
  command: string
}

/**
 * Thing, policy, then a token, which ends the one before; what is there already stays, but for certificates of before. Run it with
 * the gateway's lease. Throws ApiError (409) when AWS IoT has a Thing of that name that is not ours.
 */
export async function prepareEnrolment(
  { db, iot, stage, apiUrl }: Services,
  by: { userId: string; requestId: string },
  gateway: GatewayRef & GatewayAddress,
  onFailure: OnFailure,
): Promise<PreparedEnrolment> {
  const { thingName } = gateway
  await removeEndingCertificates({ db, iot }, gateway)

  const mayBeOurs = { thing: true, policy: false }
  // One after the other: while there is a policy there is its Thing, by which the reconciler finds both.
  onFailure('delete the policy and the Thing', async () => {
    if (mayBeOurs.policy) await deletePolicy(iot, thingName)
    if (mayBeOurs.thing) await deleteThing(iot, thingName)
  })
  const arnPrefix = await createThing(iot, stage, thingName).catch((error: unknown) => {
    if (!(error instanceof ThingOfOthers)) throw error
    mayBeOurs.thing = false
    throw new ApiError('conflict', `AWS IoT has another Thing called ${thingName}. Give the gateway another name.`)
  })
  mayBeOurs.policy = true
  await putPolicy(iot, arnPrefix, gateway)

  const token = newSecret()
  const expiresAt = Date.now() + TOKEN_LIFETIME_MS
  const { wasEnrolled } = await addEnrolmentToken(db, { ...by, ...gateway, tokenHash: sha256(token), expiresAt })
  // The agent keeps an identity that it has, unless it is told to replace it; where there is none, that changes nothing.
  const enroll = wasEnrolled ? 'enroll --force' : 'enroll'
  return {
    ...{ token, expiresAt },
    command: `gateway-agent ${enroll} --config /etc/gateway-agent/config.yaml --url ${apiUrl} --token ${token}`,
  }
}
