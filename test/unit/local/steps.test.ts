import { expect, it, vi } from 'vitest'
import { together } from '../../../local/steps.ts'

it('tells what failed first, not what broke off because of it', async () => {
  const stopping = new AbortController()
  const brokenOff = new Promise((_resolve, reject) =>
    stopping.signal.addEventListener('abort', () => reject(new Error('aborted'))),
  )
  const onFailure = vi.fn(() => stopping.abort())
  const cause = Promise.reject(new Error('No Redis 7 was found'))
  await expect(together(onFailure, brokenOff, cause, Promise.resolve(1))).rejects.toThrow('No Redis 7 was found')
  expect(onFailure).toHaveBeenCalled()
})
