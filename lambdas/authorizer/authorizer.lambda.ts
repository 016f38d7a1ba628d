/**
 * Lambda authorizer of the HTTP API (payload 2.0, simple response, cached 60 s by token): says who it is, not what they
 * may do, which the API decides. Throwing answers 500 and is not cached. The token is never logged.
 */
import type { APIGatewayRequestAuthorizerEventV2, APIGatewaySimpleAuthorizerWithContextResult } from 'aws-lambda'
import { initializeApp } from 'firebase-admin/app'
import { getAuth } from 'firebase-admin/auth'
import * as v from 'valibot'
import { readEnvironment } from '../runtime/environment.ts'
import { frame, logger } from '../runtime/frame.ts'
import { type Identity, verifyToken } from './verify-token.ts'

const { FIREBASE_PROJECT_ID: projectId } = readEnvironment({ FIREBASE_PROJECT_ID: v.string() })
const auth = getAuth(initializeApp({ projectId }))

type Answer = APIGatewaySimpleAuthorizerWithContextResult<Identity | Record<string, never>>

export const handler = frame(async (event: APIGatewayRequestAuthorizerEventV2): Promise<Answer> => {
  const token = /^Bearer (\S+)$/i.exec(event.headers?.['authorization'] ?? '')?.[1]
  const identity = token === undefined ? undefined : await verifyToken(auth, token)
  logger.info(identity ? 'Authorized' : 'Refused', { requestId: event.requestContext.requestId, uid: identity?.uid })
  return identity ? { isAuthorized: true, context: identity } : { isAuthorized: false, context: {} }
})
