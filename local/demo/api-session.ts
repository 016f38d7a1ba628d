/** The HTTP API as a signed-in administrator of a tenant, the way the browser reaches it. */
import * as v from 'valibot'
import { PlantPage } from '../../schemas/api.ts'
import type { Endpoints } from '../endpoints.ts'

export interface ApiSession {
  apiUrl: string
  idToken: string
  /** By slug. */
  plantIds: Map<string, string>
}

export async function openSession(
  { api, firebase }: Pick<Endpoints, 'api' | 'firebase'>,
  user: { email: string; password: string },
): Promise<ApiSession> {
  const url = `http://${firebase.emulatorHost}/identitytoolkit.googleapis.com/v1/accounts:signInWithPassword?key=${firebase.apiKey}`
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...user, returnSecureToken: true }),
  })
  if (!answer.ok) throw new Error(`${user.email} could not sign in: ${await answer.text()}`)
  const { idToken } = v.parse(v.object({ idToken: v.string() }), await answer.json())
  const session: ApiSession = { apiUrl: api.url, idToken, plantIds: new Map() }
  const plants = await request(session, 'GET', '/v1/plants?limit=500')
  if (!plants.ok) throw new Error(`GET /v1/plants answered ${plants.status}: ${await plants.text()}`)
  for (const { slug, plantId } of v.parse(PlantPage, await plants.json()).items) session.plantIds.set(slug, plantId)
  return session
}

export function request(session: ApiSession, method: string, path: string, body?: unknown): Promise<Response> {
  return fetch(`${session.apiUrl}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${session.idToken}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
}
