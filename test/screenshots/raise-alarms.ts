import { setTimeout as wait } from 'node:timers/promises'
import type { Endpoints } from '../../local/endpoints.ts'
import type { AlarmPage, CreateAlarmRule } from '../../schemas/alarm-requests.ts'
import type { PlantPage } from '../../schemas/api.ts'
import { signIn } from '../helpers/api-client.ts'

const EVERY: Pick<CreateAlarmRule, 'delayOnMs' | 'delayOffMs' | 'enabled'> = {
  ...{ delayOnMs: 0, delayOffMs: 0, enabled: true },
}
const RULES: Omit<CreateAlarmRule, 'plantId'>[] = [
  {
    ...{ ...EVERY, name: 'Motor sobrecargado', machine: 'bomba-1', tag: 'current', severity: 'critical' },
    ...{ condition: { kind: 'above', limit: 1, hysteresis: 0 }, message: 'Motor de {machineName}: {value} {unit}' },
  },
  {
    ...{ ...EVERY, name: 'Bomba caliente', machine: 'bomba-*', tag: 'temperature', severity: 'high' },
    ...{ condition: { kind: 'above', limit: 20, hysteresis: 2 }, message: null },
  },
  {
    ...{ ...EVERY, name: 'Presión fuera de banda', machine: '*', tag: 'pressure', severity: 'medium' },
    ...{ condition: { kind: 'outside', low: 5.8, high: 6, hysteresis: 0.1 }, message: null },
  },
  {
    ...{ ...EVERY, name: 'Sin datos', machine: '*', tag: null, severity: 'low' },
    ...{ condition: { kind: 'no_data', forMs: 300_000 }, message: null },
  },
]
const RAISED_WITHIN_MS = 30_000

/** Alarms of each priority in the first plant, one of them acknowledged and one shelved. */
export async function raiseAlarms(endpoints: Endpoints): Promise<void> {
  const api = await signIn(endpoints, 'admin@granix.example')
  const { items } = (await api.get('/plants')) as PlantPage
  const plantId = items.find(({ slug }) => slug === 'planta-baradero')!.plantId
  for (const rule of RULES) await api.post('/alarm-rules', { ...rule, plantId })
  const deadline = Date.now() + RAISED_WITHIN_MS
  let alarms: AlarmPage['items'] = []
  while (alarms.length < 6 && Date.now() < deadline) {
    await wait(500)
    alarms = ((await api.get(`/alarms?plantId=${plantId}`)) as AlarmPage).items
  }
  const [shelved, acknowledged] = alarms.filter(({ severity }) => severity === 'medium' || severity === 'high')
  if (!shelved || !acknowledged) throw new Error(`only ${alarms.length} alarms were raised`)
  const until = Date.now() + 8 * 3_600_000
  await api.post(`/alarms/${shelved.alarmId}/shelve`, { until, reason: 'Mantenimiento hasta el fin del turno' })
  await api.post(`/alarms/${acknowledged.alarmId}/acknowledge`, { comment: null })
}
