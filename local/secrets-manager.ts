import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import * as v from 'valibot'
import type { Assembly, ResolvedResource } from './assembly/assembly.ts'

/** Values by ARN. */
export type Secrets = Map<string, string>

const GenerateSecretString = v.object({
  PasswordLength: v.optional(v.number(), 32),
  SecretStringTemplate: v.optional(v.string()),
  GenerateStringKey: v.optional(v.string()),
})
const SecretProperties = v.object({
  SecretString: v.optional(v.string()),
  GenerateSecretString: v.optional(GenerateSecretString),
})

const ManagedPassword = v.object({ MasterUsername: v.string(), ManageMasterUserPassword: v.literal(true) })

const Kept = v.record(v.string(), v.string())

/** Makes the templates' secrets as Secrets Manager would. Generated ones stay the same over a restart: what they seal is kept too. */
export function makeSecrets(assembly: Assembly, secrets: Secrets, file: string): void {
  const kept = existsSync(file) ? v.parse(Kept, JSON.parse(readFileSync(file, 'utf8'))) : {}
  for (const secret of assembly.resources('AWS::SecretsManager::Secret')) {
    const { SecretString, GenerateSecretString: generate } = v.parse(SecretProperties, secret.properties)
    const arn = String(assembly.ref(secret))
    secrets.set(arn, SecretString ?? kept[arn] ?? generated(generate))
  }
  for (const database of assembly.resources('AWS::RDS::DBInstance')) {
    const { MasterUsername } = v.parse(ManagedPassword, database.properties)
    const arn = masterSecretArn(assembly, database)
    const SecretStringTemplate = JSON.stringify({ username: MasterUsername })
    secrets.set(
      arn,
      kept[arn] ?? generated({ PasswordLength: 32, SecretStringTemplate, GenerateStringKey: 'password' }),
    )
  }
  writeFileSync(file, JSON.stringify(Object.fromEntries(secrets)), { mode: 0o600 })
}

/** Of the secret in which RDS keeps the master user, whose password it changes by itself. */
export const masterSecretArn = (assembly: Assembly, database: ResolvedResource): string =>
  String(assembly.attribute(database, 'MasterUserSecret.SecretArn'))

function generated(generate: v.InferOutput<typeof GenerateSecretString> | undefined): string {
  const password = randomBytes(64)
    .toString('hex')
    .slice(0, generate?.PasswordLength ?? 32)
  if (!generate?.GenerateStringKey) return password
  return JSON.stringify({
    ...(JSON.parse(generate.SecretStringTemplate ?? '{}') as object),
    [generate.GenerateStringKey]: password,
  })
}

/** The GetSecretValue operation; another one answers an error that names it. */
export function serveSecretsManager(app: FastifyInstance, secrets: Secrets): void {
  app.post('/', (request, reply) => {
    const fail = (__type: string, message: string) => reply.code(400).send(JSON.stringify({ __type, message }))
    const target = String(request.headers['x-amz-target'])
    void reply.type('application/x-amz-json-1.1')
    if (target !== 'secretsmanager.GetSecretValue')
      return fail('UnknownOperationException', `local/ does not know ${target}`)
    const { SecretId } = v.parse(v.object({ SecretId: v.string() }), JSON.parse(String(request.body)))
    const SecretString = secrets.get(SecretId)
    if (SecretString === undefined) return fail('ResourceNotFoundException', `There is no secret ${SecretId}`)
    return reply.send(
      JSON.stringify({ ARN: SecretId, Name: SecretId.split(':').at(-1), SecretString, VersionStages: ['AWSCURRENT'] }),
    )
  })
}
