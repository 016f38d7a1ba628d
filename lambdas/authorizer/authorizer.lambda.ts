/** Lambda authorizer of the HTTP API (payload 2.0, simple response, cached 60 s by token). */
import type { APIGatewayRequestAuthorizerEventV2 } from 'aws-lambda'
import { initializeApp } from 'firebase-admin/app'
import { getAuth } from 'firebase-admin/auth'
import * as v from 'valibot'
import { readEnvironment } from '../runtime/environment.ts'
import { frame } from '../runtime/frame.ts'
import { authorize } from './authorize.ts'

const { FIREBASE_PROJECT_ID: projectId } = readEnvironment({ FIREBASE_PROJECT_ID: v.string() })
const auth = getAuth(initializeApp({ projectId }))

export const handler = frame((event: APIGatewayRequestAuthorizerEventV2) => authorize(auth, event))
