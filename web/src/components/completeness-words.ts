import type { useI18n } from 'vue-i18n'
import { cellState, type CompletenessCell } from '../history/completeness-cells.ts'
import type { useWords } from '../i18n/words.ts'

type Translate = ReturnType<typeof useI18n>['t']

export const MISSING_REASONS = ['lost', 'dropped', 'quarantined', 'held'] as const
export type MissingReason = (typeof MISSING_REASONS)[number]

/** How many readings are there, and of the others why not. */
export function describeMissing(
  cell: Omit<CompletenessCell, 'from' | 'to'>,
  t: Translate,
  words: Pick<ReturnType<typeof useWords>, 'number'>,
): string {
  const state = cellState({ ...cell, from: 0, to: 0 })
  if (state === 'unknown') return t('completeness.states.unknown')
  if (state === 'undeclared') return t('completeness.undeclared', { n: words.number(cell.undeclared) })
  const stored = t('completeness.stored', { stored: words.number(cell.stored), expected: words.number(cell.expected) })
  const reasons = MISSING_REASONS.filter((reason) => cell[reason] > 0).map((reason) =>
    t(`completeness.reasons.${reason}`, { n: words.number(cell[reason]) }),
  )
  return [stored, ...reasons].join(', ')
}
