import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import type { Endpoints } from '../../local/endpoints.ts'

/** Runs the deployed job that rolls hours up once, without waiting for its schedule. */
export async function rollUp({ lambda, sqs }: Pick<Endpoints, 'lambda' | 'sqs'>, cloudDir: string): Promise<void> {
  const log = readdirSync(join(cloudDir, 'logs')).find((file) => file.includes('Rollup'))!
  const client = new LambdaClient({
    ...{ endpoint: lambda.url, region: sqs.region },
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  })
  const answer = await client.send(new InvokeCommand({ FunctionName: log.replace('.log', '') }))
  client.destroy()
  if (answer.FunctionError !== undefined) throw new Error(answer.Payload!.transformToString())
}
