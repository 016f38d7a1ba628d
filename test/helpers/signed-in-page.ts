import type { Browser, BrowserContextOptions, Page, Response } from 'playwright-core'
import type { Endpoints } from '../../local/endpoints.ts'
import { describedByApi, type Received } from './described-answers.ts'

/**
 * A page of the app in a browser profile of its own, signed in through the sign-in page. An answer of the API that OpenAPI does not
 * describe is a rejection that nobody handles, which fails the run.
 */
export async function signedInPage(
  browser: Browser,
  { web, api, users }: Pick<Endpoints, 'web' | 'api' | 'users'>,
  email: string,
  options: BrowserContextOptions = {},
): Promise<Page> {
  const { password } = users.find((user) => user.email === email)!
  const context = await browser.newContext({ baseURL: web.url, locale: 'es-AR', ...options })
  const expectDescribed = await describedByApi(api.url)
  context.on('response', (response) => void expectAnswer(response, expectDescribed))
  const page = await context.newPage()
  await page.goto('/sign-in')
  await page.getByTestId('email').fill(email)
  await page.getByTestId('password').fill(password)
  await page.getByTestId('sign-in').click()
  await page.waitForURL((url) => !url.pathname.startsWith('/sign-in'))
  return page
}

async function expectAnswer(response: Response, expectDescribed: (answer: Received) => void): Promise<void> {
  if (!new URL(response.url()).pathname.startsWith('/v1/')) return
  const headers = response.headers()
  const contentType = headers['content-length'] === '0' ? undefined : headers['content-type']
  const isJson = contentType?.includes('json') === true
  // A page that has gone on, or is closed, has no bodies any more.
  const text = isJson ? await response.text().catch(() => '') : undefined
  if (text === '') return
  expectDescribed({
    ...{ method: response.request().method(), url: response.url(), status: response.status(), contentType },
    body: text === undefined ? undefined : (JSON.parse(text) as unknown),
  })
}
