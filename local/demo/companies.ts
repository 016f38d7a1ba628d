/** The demo: two companies that must never see each other, their people, plants, gateways and machines. */
import type * as v from 'valibot'
import type { CreateAlarmRule } from '../../schemas/alarm-requests.ts'
import type { Role } from '../../schemas/permissions.ts'
import type { MachineKind } from './machine-kinds.ts'

export interface DemoPlant {
  slug: string
  province: string
  name: string
  timeZone: string
  thingName: string
  /** Where its PLC listens when the port is free. */
  plcPort: number
  machines: { slug: string; kind: MachineKind }[]
}

/** As `POST /v1/alarm-rules` takes it, for all plants. */
type DemoRule = v.InferInput<typeof CreateAlarmRule>

export interface DemoCompany {
  slug: string
  name: string
  users: { email: string; role: Role; plants: 'all' | string[] }[]
  rules: DemoRule[]
  plants: DemoPlant[]
}

export const DEMO_PASSWORD = 'demo-2026'

export const COMPANIES: DemoCompany[] = [
  {
    slug: 'granix',
    name: 'Granix',
    users: [
      { email: 'admin@granix.example', role: 'admin', plants: 'all' },
      { email: 'manager@granix.example', role: 'manager', plants: 'all' },
      { email: 'operator@granix.example', role: 'plant_operator', plants: ['planta-baradero'] },
      { email: 'viewer@granix.example', role: 'viewer', plants: ['planta-baradero'] },
    ],
    rules: [
      {
        // Their load wanders across it every few minutes.
        name: 'Bomba caliente',
        machine: 'bomba-*',
        tag: 'temperature',
        condition: { kind: 'above', limit: 56, hysteresis: 2 },
        severity: 'medium',
      },
      { name: 'Máquina sin datos', condition: { kind: 'no_data', forMs: 120_000 }, severity: 'high' },
      { name: 'Gateway sin conexión', condition: { kind: 'gateway_offline' }, severity: 'critical' },
    ],
    plants: [
      {
        slug: 'planta-baradero',
        province: 'ba',
        name: 'Planta Baradero',
        timeZone: 'America/Argentina/Buenos_Aires',
        thingName: 'granix-ba-gateway-1',
        plcPort: 5020,
        machines: [
          { slug: 'bomba-1', kind: 'pump' },
          { slug: 'bomba-2', kind: 'pump' },
          { slug: 'compresor-1', kind: 'compressor' },
          { slug: 'horno-1', kind: 'oven' },
          { slug: 'envasadora-1', kind: 'packer' },
          { slug: 'envasadora-2', kind: 'packer' },
        ],
      },
      {
        slug: 'planta-cordoba',
        province: 'cb',
        name: 'Planta Córdoba',
        timeZone: 'America/Argentina/Cordoba',
        thingName: 'granix-cb-gateway-1',
        plcPort: 5021,
        machines: [
          { slug: 'bomba-1', kind: 'pump' },
          { slug: 'compresor-1', kind: 'compressor' },
          { slug: 'horno-1', kind: 'oven' },
          { slug: 'envasadora-1', kind: 'packer' },
        ],
      },
    ],
  },
  {
    slug: 'norpan',
    name: 'Norpan',
    users: [{ email: 'admin@norpan.example', role: 'admin', plants: 'all' }],
    rules: [],
    plants: [
      {
        slug: 'planta-rosario',
        province: 'sf',
        name: 'Planta Rosario',
        timeZone: 'America/Argentina/Buenos_Aires',
        thingName: 'norpan-sf-gateway-1',
        plcPort: 5022,
        machines: [
          { slug: 'bomba-1', kind: 'pump' },
          { slug: 'horno-1', kind: 'oven' },
          { slug: 'horno-2', kind: 'oven' },
          { slug: 'envasadora-1', kind: 'packer' },
        ],
      },
    ],
  },
]
