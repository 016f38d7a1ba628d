import { createPinia, setActivePinia } from 'pinia'
import { createApp } from 'vue'
import { expect, it } from 'vitest'
import type { Me } from '../../../schemas/api.ts'
import { ApiError } from '../../../web/src/api/api-error.ts'
import { useMeStore } from '../../../web/src/api/me-store.ts'
import { telemetryApiKey, type TelemetryApi } from '../../../web/src/api/telemetry-api.ts'

const may = (...permissions: Me['may']) => ({ may: permissions }) as unknown as Me
const forbidden = new ApiError('problem', 'd', {
  status: 403,
  problem: { type: 'about:blank', title: 't', status: 403, detail: 'd', code: 'forbidden', requestId: 'r' },
})

/** Its answers come when the test says so. */
function asking() {
  const answers: PromiseWithResolvers<Me>[] = []
  const me = () => {
    const answer = Promise.withResolvers<Me>()
    answers.push(answer)
    return answer.promise
  }
  const pinia = createPinia()
  createApp({})
    .use(pinia)
    .provide(telemetryApiKey, { me } as TelemetryApi)
  setActivePinia(pinia)
  return { store: useMeStore(), answers }
}

it('rights that were read before they were taken away do not come back', async () => {
  const { store, answers } = asking()
  const [old, now] = [store.load(), store.load()]
  answers[1]!.resolve(may('see'))
  await now
  answers[0]!.resolve(may('see', 'manage'))
  await old
  expect(store.may('manage')).toBe(false)
})

it('who was refused stays so until the API says otherwise, whatever the network does', async () => {
  const { store, answers } = asking()
  const refused = store.load()
  answers[0]!.reject(forbidden)
  await refused
  const away = store.load()
  answers[1]!.reject(new ApiError('network', 'no answer'))
  await away
  expect(store.error?.forbidden).toBe(true)
  const back = store.load()
  answers[2]!.resolve(may('see'))
  await back
  expect([store.error, store.loading]).toEqual([null, false])
})
