import { afterAll, expect, inject, it, vi } from 'vitest'
import type { CompletenessOfMachine, CompletenessStrip, CompletenessSummary, MachinePage } from '../../schemas/api.ts'
import { signIn } from '../helpers/api-client.ts'
import { prepareCountingGateway } from '../helpers/counting-gateway.ts'

const endpoints = inject('endpoints')
const cleanup: (() => unknown)[] = []
afterAll(async () => {
  for (const undo of cleanup.reverse()) await undo()
})

it('what piles up while the line is cut is held by the gateway, never lost, and in the end all is stored', async () => {
  // 20 readings/s arise and 25 may be sent: a backlog of some seconds stays for a while.
  const gateway = await prepareCountingGateway(endpoints, {
    machine: 'complete',
    intervalMs: 50,
    publishesPerSecond: 25,
  })
  cleanup.push(() => gateway.stop())
  gateway.start()

  const api = await signIn(endpoints, endpoints.users.find((user) => user.tenant === 'norpan')!.email)
  const machineId = await vi.waitFor(async () => {
    const { items } = (await api.get(`/plants/${gateway.plantId}/machines`)) as MachinePage
    return items.find(({ slug }) => slug === 'complete')!.machineId
  }, 20_000)
  const read = async () => {
    const answer = (await api.get(`/machines/${machineId}/completeness`)) as CompletenessOfMachine
    expect(answer).toMatchObject({ lost: 0, dropped: 0 })
    return answer
  }
  await vi.waitFor(async () => expect((await read()).stored).toBeGreaterThan(20), { timeout: 30_000, interval: 200 })

  gateway.line.cut()
  const whenCut = gateway.count()
  await vi.waitFor(() => expect(gateway.count() - whenCut).toBeGreaterThan(80), 15_000)
  gateway.line.mend()

  const back = await vi.waitFor(
    async () => {
      const answer = await read()
      expect(answer.held).toBeGreaterThan(0)
      return answer
    },
    { timeout: 30_000, interval: 200 },
  )
  expect(back.percent).toBeLessThan(100)
  expect(new Set(back.missingRanges.map(({ state }) => state))).toEqual(new Set(['held']))

  await vi.waitFor(
    async () => {
      const answer = await read()
      expect(answer).toMatchObject({ percent: 100, missing: 0, missingRanges: [] })
      expect(answer.stored).toBeGreaterThan(back.stored + back.held)
    },
    { timeout: 60_000, interval: 500 },
  )
  const hour = 3_600_000
  const { cells } = (await api.get(
    `/machines/${machineId}/completeness/strip?from=${Date.now() - 2 * hour}&to=${Date.now()}&cellMs=${hour}`,
  )) as CompletenessStrip
  expect(cells.map(({ from, to }) => [from % hour, to - from])).toEqual(cells.map(() => [0, hour]))
  expect(cells.at(-1)).toMatchObject({ percent: 100, missing: 0 })
  const summary = (await api.get(`/plants/${gateway.plantId}/completeness?limit=500`)) as CompletenessSummary
  expect(summary.items.find((machine) => machine.machineId === machineId)).toMatchObject({ missing: 0 })
}, 180_000)
