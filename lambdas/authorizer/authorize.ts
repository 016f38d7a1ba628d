import type { APIGatewayRequestAuthorizerEventV2, APIGatewaySimpleAuthorizerWithContextResult } from 'aws-lambda'
import type { Auth } from 'firebase-admin/auth'
import { logger } from '../runtime/frame.ts'
import { type Identity, verifyToken } from './verify-token.ts'

type Answer = APIGatewaySimpleAuthorizerWithContextResult<Identity | Record<string, never>>

/** Says who it is, not what they may do, which the API decides. Throwing answers 500 and is not cached. The token is never logged. */
export async function authorize(auth: Auth, event: APIGatewayRequestAuthorizerEventV2): Promise<Answer> {
  const token = /^Bearer (\S+)$/i.exec(event.headers?.['authorization'] ?? '')?.[1]
  const identity = token === undefined ? undefined : await verifyToken(auth, token)
  logger.info(identity ? 'Authorized' : 'Refused', { requestId: event.requestContext.requestId, uid: identity?.uid })
  return identity ? { isAuthorized: true, context: identity } : { isAuthorized: false, context: {} }
}
