import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import type { Endpoints } from '../../local/endpoints.ts'

/** A page of the app in a browser profile of its own, signed in through the sign-in page. */
export async function signedInPage(
  browser: Browser,
  { web, users }: Pick<Endpoints, 'web' | 'users'>,
  email: string,
  options: BrowserContextOptions = {},
): Promise<Page> {
  const { password } = users.find((user) => user.email === email)!
  const context = await browser.newContext({ baseURL: web.url, locale: 'es-AR', ...options })
  const page = await context.newPage()
  await page.goto('/sign-in')
  await page.getByTestId('email').fill(email)
  await page.getByTestId('password').fill(password)
  await page.getByTestId('sign-in').click()
  await page.waitForURL((url) => !url.pathname.startsWith('/sign-in'))
  return page
}
