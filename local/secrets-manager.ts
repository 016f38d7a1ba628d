import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import * as v from 'valibot'
import type { Assembly } from './assembly/assembly.ts'

const GenerateSecretString = v.object({
  PasswordLength: v.optional(v.number(), 32),
  SecretStringTemplate: v.optional(v.string()),
  GenerateStringKey: v.optional(v.string()),
})
const SecretProperties = v.object({
  SecretString: v.optional(v.string()),
  GenerateSecretString: v.optional(GenerateSecretString),
})

/** Values of the templates' secrets by ARN. Generated ones are new at each start: whatever uses them is told then. */
export type Secrets = Map<string, string>

/** Fills in what Secrets Manager would have made; `attached` is what a target attachment adds to a secret's JSON. */
export function makeSecrets(assembly: Assembly, attached: Record<string, unknown>): Secrets {
  const secrets: Secrets = new Map()
  for (const secret of assembly.resources('AWS::SecretsManager::Secret')) {
    const { SecretString, GenerateSecretString: generate } = v.parse(SecretProperties, secret.properties)
    secrets.set(String(assembly.ref(secret)), SecretString ?? generated(generate))
  }
  for (const attachment of assembly.resources('AWS::SecretsManager::SecretTargetAttachment')) {
    const arn = v.parse(v.string(), attachment.properties.SecretId)
    secrets.set(arn, JSON.stringify({ ...(JSON.parse(secrets.get(arn)!) as object), ...attached }))
  }
  return secrets
}

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
export function serveSecretsManager(app: FastifyInstance, secrets: () => Secrets): void {
  app.post('/', (request, reply) => {
    const target = String(request.headers['x-amz-target'])
    void reply.type('application/x-amz-json-1.1')
    if (target !== 'secretsmanager.GetSecretValue') {
      return reply
        .code(400)
        .send(JSON.stringify({ __type: 'UnknownOperationException', message: `local/ does not know ${target}` }))
    }
    const { SecretId } = v.parse(v.object({ SecretId: v.string() }), JSON.parse(String(request.body)))
    const value = secrets().get(SecretId)
    if (value === undefined) {
      return reply
        .code(400)
        .send(JSON.stringify({ __type: 'ResourceNotFoundException', message: `There is no secret ${SecretId}` }))
    }
    return reply.send(
      JSON.stringify({
        ARN: SecretId,
        Name: SecretId.split(':').at(-1),
        SecretString: value,
        VersionStages: ['AWSCURRENT'],
      }),
    )
  })
}
