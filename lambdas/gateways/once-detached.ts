import { setTimeout as sleep } from 'node:timers/promises'
import { DeleteConflictException, InvalidRequestException } from '@aws-sdk/client-iot'

/** Together well below the time that three deletions in a row have within the functions that ask for them. */
const PAUSES_MS = [250, 500, 1_000, 2_000, 3_000]

/**
 * For deletions of what was detached a moment ago: AWS IoT answers a detachment before it has taken effect everywhere, some seconds later,
 * and refuses to delete until then. https://docs.aws.amazon.com/iot/latest/apireference/API_DetachThingPrincipal.html
 */
export async function onceDetached(call: () => Promise<unknown>): Promise<void> {
  for (const pauseMs of PAUSES_MS) {
    try {
      await call()
      return
    } catch (error) {
      if (!(error instanceof DeleteConflictException || error instanceof InvalidRequestException)) throw error
    }
    await sleep(pauseMs)
  }
  await call()
}
