import { ForbiddenUrl, publicAddressesOf } from '../runtime/public-address.ts'
import { invalidField } from './problem.ts'
import type { Services } from './services.ts'

/** Throws ApiError (400) when the URL of a webhook leads anywhere else than to a public address. */
export async function mustBePublic({ resolve }: Services, url: string): Promise<void> {
  try {
    await publicAddressesOf(url, resolve)
  } catch (error) {
    if (error instanceof ForbiddenUrl) throw invalidField('url', error.message)
    throw error
  }
}
