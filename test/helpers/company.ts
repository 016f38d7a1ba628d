import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import type { ProvidedContext } from 'vitest'
import type { AdminAnswer, AdminCommand } from '../../schemas/admin.ts'

type Endpoints = ProvidedContext['endpoints']

export interface Company {
  /** Those of the local system, with the company's admin among the users. */
  endpoints: Endpoints
  adminEmail: string
  plant: string
  /** What `npm run admin` asks of the admin function. */
  admin: (command: AdminCommand) => Promise<AdminAnswer>
}

/** A company of the test's own in the local system, with a plant and an admin. */
export async function createCompany(given: Endpoints, slug: string): Promise<Company> {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  const lambda = new LambdaClient({ endpoint: given.lambda.url, region: given.sqs.region, credentials })
  const admin = async (command: AdminCommand) => {
    const Payload = Buffer.from(JSON.stringify(command))
    const answer = await lambda.send(new InvokeCommand({ FunctionName: 'iot-telemetry-dev-admin', Payload }))
    const text = answer.Payload!.transformToString()
    if (answer.FunctionError !== undefined) throw new Error(text)
    return JSON.parse(text) as AdminAnswer
  }
  const user = { email: `admin@${slug}.example`, password: 'of-the-test-2026', role: 'admin' as const }
  const plant = 'planta-uno'
  await admin({ command: 'tenant create', slug, name: slug })
  await admin({ command: 'plant create', tenant: slug, province: 'ba', slug: plant, name: 'Uno', timeZone: 'UTC' })
  await admin({ command: 'user invite', tenant: slug, ...user, plants: 'all' })
  const users = [...given.users, { tenant: slug, plantAccess: 'all' as const, ...user }]
  return { endpoints: { ...given, users }, adminEmail: user.email, plant, admin }
}

/** As the page behind the link of an invitation does. */
export async function setPassword({ firebase }: Endpoints, link: string, newPassword: string): Promise<Response> {
  const oobCode = new URL(link).searchParams.get('oobCode')
  const url = `http://${firebase.emulatorHost}/identitytoolkit.googleapis.com/v1/accounts:resetPassword?key=${firebase.apiKey}`
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ oobCode, newPassword }),
  })
}
