import { expect, test } from 'vitest'
import { retryDelaySec } from '../../../lambdas/runtime/retry-later.ts'

test('the delay doubles from 2 s and stays at 15 minutes, however often a message has come', () => {
  expect([1, 2, 3, 9, 10, 11, 1_000].map(retryDelaySec)).toEqual([2, 4, 8, 512, 900, 900, 900])
})
