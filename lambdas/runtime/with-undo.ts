import { logger } from './frame.ts'

export type OnFailure = (what: string, undo: () => Promise<unknown>) => void

/**
 * Runs a sequence whose calls belong to no transaction. `onFailure` says how a call is taken back; say it before the
 * call, as one that fails may have taken effect. When the sequence throws, all are taken back, last one first, and the
 * error goes on. One that cannot be taken back is logged and does not keep the others.
 */
export async function withUndo<Result>(sequence: (onFailure: OnFailure) => Promise<Result>): Promise<Result> {
  const undos: { what: string; undo: () => Promise<unknown> }[] = []
  try {
    return await sequence((what, undo) => undos.unshift({ what, undo }))
  } catch (error) {
    for (const { what, undo } of undos) {
      try {
        await undo()
      } catch (reason) {
        logger.error(`Could not ${what} after a failure`, { error: reason })
      }
    }
    throw error
  }
}
