import * as v from 'valibot'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { RealtimeTicket } from '../../../schemas/api.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { type LiveSocket, startLiveSocket } from '../../helpers/live-socket.ts'
import { createPlaces, type Place } from '../../helpers/places.ts'
import { createUser } from '../../helpers/tenants.ts'

let api: HttpApi
let live: LiveSocket
let ours: Place
let theirs: Place
let viewer: string

beforeAll(async () => {
  api = await startHttpApi()
  live = startLiveSocket(api)
  ;[ours] = (await createPlaces(api.database.master, ['north'])).places as [Place]
  ;[theirs] = (await createPlaces(api.database.master, ['north'])).places as [Place]
  viewer = await createUser(api.database.master, ours.tenantId, 'viewer', 'all')
})
afterEach(() => vi.useRealTimers())
afterAll(async () => {
  live.close()
  await api.close()
})

async function ticketOf(uid: string): Promise<RealtimeTicket> {
  const answer = await api.request('POST', '/v1/realtime/ticket', { as: uid, body: {} })
  return v.parse(RealtimeTicket, answer.body)
}
const subscribe = (place: Place) => ({ type: 'subscribe', plant: place.plantId })

it('opens one socket, and no second one, not even when the first has ended', async () => {
  const { ticket } = await ticketOf(viewer)
  expect(await live.converse(ticket, subscribe(ours))).toBe('snapshot')
  expect(await live.converse(ticket, subscribe(ours))).toBe('refused')
})

it('opens exactly one of many sockets that come with it at the same moment', async () => {
  for (let round = 0; round < 20; round++) {
    const { ticket } = await ticketOf(viewer)
    const opened = await Promise.all(Array.from({ length: 5 }, () => live.connect(ticket)))
    expect(opened.filter(({ accepted }) => accepted)).toHaveLength(1)
  }
})

it('works until its time, and is refused from then on by the clock of the function, whatever Redis still holds', async () => {
  const [early, late] = [await ticketOf(viewer), await ticketOf(viewer)]
  expect(early.expiresAt - Date.now()).toBeLessThanOrEqual(30_000)
  vi.useFakeTimers({ toFake: ['Date'], now: early.expiresAt - 1 })
  expect((await live.connect(early.ticket)).accepted).toBe(true)
  vi.setSystemTime(late.expiresAt)
  expect((await live.connect(late.ticket)).accepted).toBe(false)
  // It was used up by that.
  vi.setSystemTime(late.expiresAt - 1)
  expect((await live.connect(late.ticket)).accepted).toBe(false)
})

it('of another company opens that company’s plants only', async () => {
  const other = await createUser(api.database.master, theirs.tenantId, 'admin', 'all')
  expect(await live.converse((await ticketOf(other)).ticket, subscribe(ours))).toBe('not_found')
  expect(await live.converse((await ticketOf(other)).ticket, subscribe(theirs))).toBe('snapshot')
})

it('is no ticket when one character is another, or when it is the hash that Redis holds', async () => {
  const { ticket } = await ticketOf(viewer)
  const { createHash } = await import('node:crypto')
  const wrong = [`${ticket.slice(0, -1)}${ticket.endsWith('0') ? '1' : '0'}`, ticket.toUpperCase(), `${ticket} `]
  for (const one of [...wrong, createHash('sha256').update(ticket).digest('hex'), '', undefined]) {
    expect((await live.connect(one)).accepted, one).toBe(false)
  }
  expect((await live.connect(ticket)).accepted).toBe(true)
})
