import { logger } from '../runtime/frame.ts'
import type { Accounts } from '../runtime/accounts.ts'
import { ApiError } from './problem.ts'
import type { Services } from './services.ts'

/** Throws ApiError (503, with `detail`) when Firebase does not do what is asked. */
export async function askAccounts<Result>(
  { accounts }: Services,
  detail: string,
  work: (accounts: Accounts) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(await accounts())
  } catch (error) {
    if ((error as Error).name !== 'AccountsUnavailable') throw error
    logger.error('Firebase did not do what was asked', { error: error as Error })
    throw new ApiError('unavailable', detail)
  }
}
