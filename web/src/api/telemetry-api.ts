import * as v from 'valibot'
import { inject, type InjectionKey } from 'vue'
import {
  ChangedMachines,
  CompletenessOfMachine,
  CompletenessStrip,
  CreatedGateway,
  DeadLetter,
  DeadLetterGroups,
  DeadLetterPage,
  Gateway,
  GatewayConnectionPage,
  GatewayPage,
  History,
  Machine,
  MachineEventPage,
  MachinePage,
  Me,
  Plant,
  PlantPage,
  RealtimeTicket,
  RedriveAnswer,
  SearchAnswer,
  Trends,
} from '../../../schemas/api.ts'
import type { CreatePlant, DeadLetterGroup, Found, GatewayConnection, TrendsOf } from '../../../schemas/api.ts'
import { AuditPage, InvitedUser, UserAccount, UserAccountPage } from '../../../schemas/people.ts'
import type { AuditQuery, ChangeUser, CreateUser } from '../../../schemas/people.ts'
import { type AlarmsApi, createAlarmsApi } from './alarms-api.ts'
import type { ApiClient } from './client.ts'
import { createExportsApi, type ExportsApi } from './exports-api.ts'
import { allItems, queryOf } from './query.ts'

/** The calls that the pages make. Methods with a `cursor` give one page of a list that may be long. */
export interface TelemetryApi extends AlarmsApi, ExportsApi {
  me(): Promise<Me>
  /** Plants, machines and gateways with the text in their names. */
  search(text: string): Promise<Found[]>
  plants(): Promise<Plant[]>
  createPlant(plant: CreatePlant): Promise<Plant>
  /** Fails when it is no longer as `seen`. */
  changePlant(seen: Plant, change: { name: string; timeZone: string }): Promise<Plant>
  machines(plantId: string): Promise<Machine[]>
  createMachine(plantId: string, machine: { slug: string; name: string | null }): Promise<Machine>
  /** Fails when it is no longer as `seen`. */
  changeMachine(seen: Machine, change: { name?: string | null; status?: 'active' | 'retired' }): Promise<Machine>
  /** Approves or retires all of them, or none. */
  changeMachines(machineIds: string[], status: 'active' | 'retired'): Promise<ChangedMachines>
  trends(plantId: string, machines: TrendsOf['machines']): Promise<Trends['items']>
  history(machineId: string, query: { tag: string; from: number; to: number; buckets: number }): Promise<History>
  events(machineId: string, query: { from: number; to: number; limit: number; cursor?: string }): Promise<EventPage>
  completeness(machineId: string, times: { from: number; to: number }): Promise<CompletenessOfMachine>
  completenessStrip(
    machineId: string,
    query: { from: number; to: number; cellMs: number },
  ): Promise<CompletenessStrip['cells']>
  /** Of all plants of the person, or of one. */
  gateways(plantId?: string): Promise<Gateway[]>
  gateway(thingName: string): Promise<Gateway>
  createGateway(gateway: { plantId: string; thingName?: string }): Promise<CreatedGateway>
  rotateGateway(thingName: string): Promise<Gateway>
  revokeGateway(thingName: string): Promise<Gateway>
  moveGateway(thingName: string, plantId: string): Promise<Gateway>
  deleteGateway(thingName: string): Promise<void>
  /** Zip with configuration, CA and a script that enrols. */
  gatewayBundle(thingName: string): Promise<Blob>
  gatewayConnections(thingName: string, times: { from: number }): Promise<GatewayConnection[]>
  deadLetters(query: {
    code?: string
    machine?: string
    to?: number
    limit: number
    cursor?: string
  }): Promise<DeadLetterPage>
  deadLetterGroups(): Promise<DeadLetterGroup[]>
  redriveDeadLetters(chosen: { ids: string[] } | { code: string }): Promise<RedriveAnswer>
  discardDeadLetter(id: string, reason: string): Promise<DeadLetter>
  users(): Promise<UserAccount[]>
  inviteUser(user: CreateUser): Promise<InvitedUser>
  inviteUserAgain(userId: string): Promise<InvitedUser>
  /** Fails when it is no longer as `seen`. */
  changeUser(seen: UserAccount, change: ChangeUser): Promise<UserAccount>
  signOutUser(userId: string): Promise<UserAccount>
  signOutMe(): Promise<Me>
  changeMe(change: { locale: 'en' | 'es' | null }): Promise<Me>
  audit(query: Partial<AuditQuery>): Promise<AuditPage>
  auditCsv(query: Partial<AuditQuery>): Promise<{ text: string; nextCursor: string | null }>
  realtimeTicket(): Promise<RealtimeTicket>
}
type EventPage = v.InferOutput<typeof MachineEventPage>

export function createTelemetryApi(client: ApiClient): TelemetryApi {
  const machine = (machineId: string) => `/v1/machines/${machineId}`
  return {
    ...createAlarmsApi(client),
    ...createExportsApi(client),
    me: () => client.get(Me, '/v1/me'),
    async search(text) {
      return (await client.get(SearchAnswer, `/v1/search${queryOf({ text })}`)).items
    },
    plants: () => allItems((page) => client.get(PlantPage, `/v1/plants${page({})}`)),
    createPlant: (plant) => client.post(Plant, '/v1/plants', plant),
    changePlant: (seen, change) =>
      client.change(
        Plant,
        `/v1/plants/${seen.plantId}`,
        ({ name, timeZone }) => name === seen.name && timeZone === seen.timeZone,
        change,
      ),
    createMachine: (plantId, given) => client.post(Machine, `/v1/plants/${plantId}/machines`, given),
    changeMachine: (seen, change) =>
      client.change(
        Machine,
        machine(seen.machineId),
        ({ name, status }) => name === seen.name && status === seen.status,
        change,
      ),
    changeMachines: (machineIds, status) => client.patch(ChangedMachines, '/v1/machines', { machineIds, status }),
    machines: (plantId) => allItems((page) => client.get(MachinePage, `/v1/plants/${plantId}/machines${page({})}`)),
    async trends(plantId, machines) {
      return (await client.query(Trends, `/v1/plants/${plantId}/trends`, { machines })).items
    },
    history: (machineId, query) => client.get(History, `${machine(machineId)}/history${queryOf(query)}`),
    events: (machineId, query) => client.get(MachineEventPage, `${machine(machineId)}/events${queryOf(query)}`),
    completeness: (machineId, times) =>
      client.get(CompletenessOfMachine, `${machine(machineId)}/completeness${queryOf(times)}`),
    async completenessStrip(machineId, query) {
      return (await client.get(CompletenessStrip, `${machine(machineId)}/completeness/strip${queryOf(query)}`)).cells
    },
    gateways: (plantId) => allItems((page) => client.get(GatewayPage, `/v1/gateways${page({ plantId })}`)),
    gateway: (thingName) => client.get(Gateway, `/v1/gateways/${thingName}`),
    createGateway: (given) => client.post(CreatedGateway, '/v1/gateways', given),
    rotateGateway: (thingName) => client.post(Gateway, `/v1/gateways/${thingName}/rotate`),
    revokeGateway: (thingName) => client.post(Gateway, `/v1/gateways/${thingName}/revoke`),
    moveGateway: (thingName, plantId) => client.post(Gateway, `/v1/gateways/${thingName}/move`, { plantId }),
    deleteGateway: (thingName) => client.delete(v.undefined(), `/v1/gateways/${thingName}`),
    async gatewayBundle(thingName) {
      return (await client.content('POST', `/v1/gateways/${thingName}/bundle`, 'application/zip')).blob()
    },
    gatewayConnections: (thingName, times) =>
      allItems((page) => client.get(GatewayConnectionPage, `/v1/gateways/${thingName}/connections${page(times)}`)),
    deadLetters: (query) => client.get(DeadLetterPage, `/v1/dead-letters${queryOf(query)}`),
    async deadLetterGroups() {
      return (await client.get(DeadLetterGroups, '/v1/dead-letter-groups')).items
    },
    redriveDeadLetters: (chosen) => client.post(RedriveAnswer, '/v1/dead-letters/redrive', chosen),
    discardDeadLetter: (id, reason) => client.delete(DeadLetter, `/v1/dead-letters/${id}`, { reason }),
    users: () => allItems((page) => client.get(UserAccountPage, `/v1/users${page({})}`)),
    inviteUser: (user) => client.post(InvitedUser, '/v1/users', user),
    inviteUserAgain: (userId) => client.post(InvitedUser, `/v1/users/${userId}/invite`),
    changeUser: (seen, change) =>
      client.change(UserAccount, `/v1/users/${seen.userId}`, (now) => rightsOf(now) === rightsOf(seen), change),
    signOutUser: (userId) => client.post(UserAccount, `/v1/users/${userId}/sign-out`),
    signOutMe: () => client.post(Me, '/v1/me/sign-out'),
    changeMe: (change) => client.patch(Me, '/v1/me', change),
    audit: (query) => client.get(AuditPage, `/v1/audit${queryOf(query)}`),
    async auditCsv(query) {
      const answer = await client.content('GET', `/v1/audit${queryOf(query)}`, 'text/csv')
      return { text: await answer.text(), nextCursor: answer.headers.get('x-next-cursor') }
    },
    realtimeTicket: () => client.post(RealtimeTicket, '/v1/realtime/ticket'),
  }
}

export const telemetryApiKey: InjectionKey<TelemetryApi> = Symbol('telemetry api')

export function useTelemetryApi(): TelemetryApi {
  const api = inject(telemetryApiKey)
  if (!api) throw new Error('main.ts provides the API before anything uses it')
  return api
}

const rightsOf = ({ role, plantAccess, disabled }: UserAccount): string =>
  JSON.stringify([role, plantAccess === 'all' ? plantAccess : plantAccess.toSorted(), disabled])
