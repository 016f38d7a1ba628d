import type { ProvidedContext } from 'vitest'
import { describedByApi } from './described-answers.ts'

type Endpoints = ProvidedContext['endpoints']

export interface ApiClient {
  get: (path: string) => Promise<unknown>
  post: (path: string, body?: unknown) => Promise<unknown>
  /** The raw answer, for tests of refusals. */
  request: (method: string, path: string, body?: unknown) => Promise<Response>
}

/** Signs in with e-mail and password as the browser does, and gives the ID token. */
export async function idToken(endpoints: Endpoints, email: string): Promise<string> {
  const user = endpoints.users.find((candidate) => candidate.email === email)
  if (!user)
    throw new Error(`no user ${email} in the local system; it has ${endpoints.users.map((u) => u.email).join(', ')}`)
  const answer = await fetch(
    `http://${endpoints.firebase.emulatorHost}/identitytoolkit.googleapis.com/v1/accounts:signInWithPassword?key=${endpoints.firebase.apiKey}`,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email, password: user.password, returnSecureToken: true }),
    },
  )
  if (!answer.ok) throw new Error(`sign-in of ${email} answered ${answer.status}: ${await answer.text()}`)
  return ((await answer.json()) as { idToken: string }).idToken
}

/** HTTP API as a signed-in user; an answer that is not 2xx throws with its body, and one that OpenAPI does not describe throws too. */
export async function signIn(endpoints: Endpoints, email: string): Promise<ApiClient> {
  const token = await idToken(endpoints, email)
  const expectDescribed = await describedByApi(endpoints.api.url)
  const request = async (method: string, path: string, body?: unknown) => {
    const url = `${endpoints.api.url}/v1${path}`
    const answer = await fetch(url, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const { status, headers } = answer
    const text = await answer.clone().text()
    // Servers name a type of nothing too.
    const contentType = text === '' ? undefined : (headers.get('content-type') ?? undefined)
    const content: unknown = contentType?.includes('json') ? JSON.parse(text) : undefined
    expectDescribed({ method, url, status, contentType, body: content })
    return answer
  }
  const json = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const answer = await request(method, path, body)
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`)
    return answer.json()
  }
  return { request, get: (path) => json('GET', path), post: (path, body) => json('POST', path, body ?? {}) }
}
