import { existsSync } from 'node:fs'
import { Enrolment, type EnrolmentRequest } from '../../schemas/api.ts'
import { apiUrlOf, askCloud, CloudRefusal, isKeyRefused, type CloudApi } from './cloud-api.ts'
import { Failure } from './failure.ts'
import { identityFiles, isEnrolled, readIdentity, type Identity } from './identity.ts'
import { discardNewIdentity, finishReplacement, keepNewIdentity, putNewIdentityInForce } from './replace-identity.ts'
import { prepareSigningRequest } from './signing-request.ts'

/**
 * Makes this gateway's key, has the cloud sign it, and keeps the identity in `dataDir/identity`. Everything is made in a
 * folder beside and put in place at the end: an enrolment that fails leaves the present identity as it was, and the next
 * attempt sends the same request, for which the cloud takes the same token again within its hour.
 */
export async function enrol(
  { url, proxy }: CloudApi,
  { dataDir, token, force }: { dataDir: string; token: string; force: boolean },
): Promise<Identity> {
  finishReplacement(dataDir)
  if (isEnrolled(dataDir) && !force) {
    throw new Failure(
      `${dataDir}: this gateway is enrolled already, as ${readIdentity(dataDir).thingName}; ` +
        'to replace that identity, stop the agent and enrol with --force',
      1,
    )
  }
  const api = { url: apiUrlOf(url), proxy }
  const files = identityFiles(dataDir, 'identity.new')
  // Of a renewal that is not over: this enrolment takes its place.
  if (existsSync(files.identity)) discardNewIdentity(dataDir)
  const { privateKey, csr } = await prepareSigningRequest(files)
  const body: EnrolmentRequest = { token, csr }
  const answer = await askCloud(api, '/v1/enrolments', body, Enrolment).catch((error: unknown) => {
    if (isKeyRefused(error)) discardNewIdentity(dataDir)
    throw explained(error, api.url)
  })
  const identity = keepNewIdentity(dataDir, api.url, privateKey, answer)
  putNewIdentityInForce(dataDir)
  return identity
}

/** A token that is no good is wrong use: trying again changes nothing. */
function explained(error: unknown, url: string): unknown {
  if (!(error instanceof CloudRefusal) || error.code !== 'invalid_enrolment_token') return error
  return new Failure(
    `${url}: the token is not valid: it was used already, has expired or was typed wrongly; create a new one for this gateway in the web application`,
    2,
  )
}
