import { inject, type InjectionKey } from 'vue'
import { GatewayPage, MachinePage, Me, PlantPage, RealtimeTicket } from '../../../schemas/api.ts'
import type { Gateway, Machine, Plant } from '../../../schemas/api.ts'
import type { ApiClient } from './client.ts'

/** The calls that the pages make. */
export interface TelemetryApi {
  me(): Promise<Me>
  plants(): Promise<Plant[]>
  machines(plantId: string): Promise<Machine[]>
  /** Of all plants of the person, or of one. */
  gateways(plantId?: string): Promise<Gateway[]>
  realtimeTicket(): Promise<RealtimeTicket>
}

const LARGEST_PAGE = 500

export function createTelemetryApi(client: ApiClient): TelemetryApi {
  return {
    me: () => client.get(Me, '/v1/me'),
    plants: () => allItems((query) => client.get(PlantPage, `/v1/plants?${query}`)),
    machines: (plantId) => allItems((query) => client.get(MachinePage, `/v1/plants/${plantId}/machines?${query}`)),
    gateways: (plantId) =>
      allItems((query) => client.get(GatewayPage, `/v1/gateways?${query}${plantId ? `&plantId=${plantId}` : ''}`)),
    realtimeTicket: () => client.post(RealtimeTicket, '/v1/realtime/ticket'),
  }
}

async function allItems<T>(getPage: (query: string) => Promise<{ items: T[]; nextCursor: string | null }>) {
  const items: T[] = []
  let cursor: string | null = null
  do {
    const query = new URLSearchParams({ limit: String(LARGEST_PAGE), ...(cursor === null ? {} : { cursor }) })
    const page: { items: T[]; nextCursor: string | null } = await getPage(query.toString())
    items.push(...page.items)
    cursor = page.nextCursor
  } while (cursor !== null)
  return items
}

export const telemetryApiKey: InjectionKey<TelemetryApi> = Symbol('telemetry api')

export function useTelemetryApi(): TelemetryApi {
  const api = inject(telemetryApiKey)
  if (!api) throw new Error('main.ts provides the API before anything uses it')
  return api
}
