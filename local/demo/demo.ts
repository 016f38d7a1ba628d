/** Fills the cloud through its own front doors: the admin function, the HTTP API, the agent's enrolment. */
import * as v from 'valibot'
import { AdminAnswer, type AdminCommand } from '../../schemas/admin.ts'
import { AlarmRulePage } from '../../schemas/alarm-requests.ts'
import type { Deployment } from '../deployment.ts'
import type { Endpoints } from '../endpoints.ts'
import type { Lifetime } from '../lifetime.ts'
import { type ApiSession, openSession, request } from './api-session.ts'
import { COMPANIES, DEMO_PASSWORD, type DemoCompany } from './companies.ts'
import { startGateway } from './gateway.ts'
import { startPlc } from './plc.ts'

/** Tenants, plants and users, as the platform team creates them. What is there already stays as it is. */
export async function startTenants({ assembly, functionNamed }: Deployment): Promise<Endpoints['users']> {
  const admin = functionNamed(assembly.output('Api', 'AdminFunctionName'))
  const ask = async (command: AdminCommand) => {
    const { functionError, payload } = await admin.invoke(command)
    const answer = v.safeParse(AdminAnswer, payload)
    if (!functionError && answer.success && answer.output.status !== 'refused') return
    throw new Error(`The admin function did not do ${JSON.stringify(command)}: ${JSON.stringify(payload)}`)
  }
  const create = async ({ slug: tenant, name, plants, users }: DemoCompany): Promise<Endpoints['users']> => {
    await ask({ command: 'tenant create', slug: tenant, name })
    for (const { slug, province, name: plantName, timeZone } of plants) {
      await ask({ command: 'plant create', tenant, province, slug, name: plantName, timeZone })
    }
    for (const user of users) await ask({ command: 'user invite', tenant, password: DEMO_PASSWORD, ...user })
    return users.map(({ email, role, plants: plantAccess }) => ({
      tenant,
      email,
      password: DEMO_PASSWORD,
      role,
      plantAccess,
    }))
  }
  const created: Endpoints['users'] = []
  for (const company of COMPANIES) created.push(...(await create(company)))
  return created
}

export interface DemoOptions {
  rootDir: string
  repository: string
  endpoints: Pick<Endpoints, 'api' | 'firebase' | 'mqtt' | 'users'>
}

/** A PLC and a gateway per plant, and the rules of alarms. */
export async function startDemo(
  lifetime: Lifetime,
  options: DemoOptions,
): Promise<Pick<Endpoints, 'gateways' | 'plcs'>> {
  const { endpoints } = options
  const sites = COMPANIES.flatMap((company) => {
    let session: Promise<ApiSession> | undefined
    const { email, password } = endpoints.users.find((user) => user.tenant === company.slug && user.role === 'admin')!
    return company.plants.map((plant) => ({
      plant,
      tenant: company.slug,
      session: () => (session ??= openSession(endpoints, { email, password })),
    }))
  })
  const started = await Promise.all(
    sites.map(async (site) => {
      const { port: plcPort } = await lifetime.own(
        `PLC of ${site.plant.slug}`,
        startPlc(site.plant.machines, site.plant.plcPort),
        (plc) => plc.stop(),
      )
      const gateway = await startGateway(lifetime, { ...options, ...site, plcPort, mqttPort: endpoints.mqtt.port })
      return { gateway, plcPort }
    }),
  )
  for (const { slug, rules } of COMPANIES)
    if (rules.length > 0) await createRules(await sites.find(({ tenant }) => tenant === slug)!.session(), rules)
  return {
    gateways: started.map(({ gateway }) => gateway),
    plcs: started.map(({ plcPort: port }) => ({ protocol: 'modbus-tcp', host: '127.0.0.1', port })),
  }
}

/** Those that are not there, by their names: what somebody has changed stays as it is. */
async function createRules(session: ApiSession, rules: DemoCompany['rules']): Promise<void> {
  const answer = await request(session, 'GET', '/v1/alarm-rules?limit=500')
  const known = v.parse(AlarmRulePage, await answer.json()).items.map(({ name }) => name)
  for (const rule of rules.filter(({ name }) => !known.includes(name))) {
    const created = await request(session, 'POST', '/v1/alarm-rules', rule)
    if (!created.ok) throw new Error(`The rule ${rule.name} was not made: ${await created.text()}`)
  }
}
