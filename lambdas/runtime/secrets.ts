import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import * as v from 'valibot'

const client = new SecretsManagerClient()

/** Text of a secret. Not cached: callers read it once, when they open a connection. */
export async function readSecret(arn: string): Promise<string> {
  const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: arn }))
  if (SecretString === undefined) throw new Error(`The secret ${arn} holds no text`)
  return SecretString
}

const DatabaseSecret = v.object({
  host: v.string(),
  port: v.number(),
  username: v.string(),
  password: v.string(),
  dbname: v.string(),
})
export type DatabaseSecret = v.InferOutput<typeof DatabaseSecret>

/** The master's credentials, in the form in which RDS generates them. */
export async function readDatabaseSecret(arn: string): Promise<DatabaseSecret> {
  return v.parse(DatabaseSecret, JSON.parse(await readSecret(arn)))
}
