import { ResourceNotFoundException } from '@aws-sdk/client-iot'

/** For calls that take something away: that it is gone already is what was wanted. */
export async function ignoringAbsence(call: () => Promise<unknown>): Promise<void> {
  try {
    await call()
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error
  }
}
