import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import * as v from 'valibot'

const client = new SecretsManagerClient()

/** Text of a secret. Not cached: callers read it once, when they open a connection. */
export async function readSecret(arn: string): Promise<string> {
  const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: arn }))
  if (SecretString === undefined) throw new Error(`The secret ${arn} holds no text`)
  return SecretString
}

const MasterUser = v.object({ username: v.string(), password: v.string() })
export type MasterUser = v.InferOutput<typeof MasterUser>

/** The master user of the database, in the form in which RDS keeps it. Its password changes while functions run: not to be cached. */
export async function readMasterUser(arn: string): Promise<MasterUser> {
  return v.parse(MasterUser, JSON.parse(await readSecret(arn)))
}
