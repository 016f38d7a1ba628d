/** Where everything of a stage is, deployed or on this machine. */
import { CloudFormationClient, paginateDescribeStacks } from '@aws-sdk/client-cloudformation'
import { CloudWatchClient, paginateDescribeAlarms } from '@aws-sdk/client-cloudwatch'
import { DescribeEndpointCommand, IoTClient } from '@aws-sdk/client-iot'
import { SQSClient } from '@aws-sdk/client-sqs'
import * as v from 'valibot'

export interface Stage {
  name: string
  webUrl: string
  apiUrl: string
  realtimeUrl: string
  mqtt: { host: string; port: number; caPem?: string }
  sqs: SQSClient
  /** Firebase's own, or what stands for it here. */
  identityUrl: string
  /** Alarms that are there, and how they stand. */
  alarms: () => Promise<{ name: string; state: string }[]>
  /** What is wrong with the deployment itself. */
  faults: string[]
}

const OUTPUTS = { webUrl: 'WebUrl', apiUrl: 'ApiUrl', realtimeUrl: 'RealtimeUrl' } as const
const FAILED = /ROLLBACK|FAILED/

/** By AWS credentials that may read. Throws when there is no such stage in the account and region. */
export async function deployedStage(name: string): Promise<Stage> {
  const prefix = `iot-telemetry-${name}-`
  const outputs = new Map<string, string>()
  const faults: string[] = []
  let stacks = 0
  for await (const { Stacks = [] } of paginateDescribeStacks({ client: new CloudFormationClient() }, {})) {
    for (const { StackName = '', StackStatus = '', Outputs = [] } of Stacks) {
      if (!StackName.startsWith(prefix)) continue
      stacks += 1
      if (FAILED.test(StackStatus))
        faults.push(`stack ${StackName} is ${StackStatus}: deploy again, and read its events`)
      for (const { OutputKey, OutputValue } of Outputs) outputs.set(OutputKey!, OutputValue!)
    }
  }
  if (stacks === 0)
    throw new Error(`there is no stack ${prefix}… in this account and region: set AWS_REGION, or deploy it`)
  const [webUrl, apiUrl, realtimeUrl] = Object.values(OUTPUTS).map((output) => outputs.get(output))
  if (!webUrl || !apiUrl || !realtimeUrl)
    throw new Error(`the stacks have not all of the outputs ${Object.values(OUTPUTS).join(', ')}: deploy --all`)
  const { endpointAddress } = await new IoTClient().send(new DescribeEndpointCommand({ endpointType: 'iot:Data-ATS' }))
  return {
    ...{ name, webUrl, apiUrl, realtimeUrl, faults },
    mqtt: { host: endpointAddress!, port: 8883 },
    sqs: new SQSClient(),
    identityUrl: 'https://identitytoolkit.googleapis.com',
    async alarms() {
      const found: { name: string; state: string }[] = []
      for await (const { MetricAlarms = [] } of paginateDescribeAlarms({ client: new CloudWatchClient() }, {}))
        for (const { AlarmName = '', StateValue = '' } of MetricAlarms)
          if (AlarmName.endsWith(` [${name}]`)) found.push({ name: AlarmName, state: StateValue })
      return found
    },
  }
}

const Address = v.object({ url: v.string() })
export const LocalEndpoints = v.object({
  ...{ web: Address, api: Address, realtime: Address },
  mqtt: v.object({ host: v.string(), port: v.number(), caFile: v.string() }),
  sqs: v.object({ url: v.string(), region: v.string() }),
  firebase: v.object({ emulatorHost: v.string() }),
})
const Alarms = v.array(v.object({ name: v.string(), state: v.string() }))

/** The system that `npm start` runs, by its `.local/endpoints.json`; `readFile` from the folder of the repository. */
export function localStage(endpoints: v.InferOutput<typeof LocalEndpoints>, readFile: (path: string) => string): Stage {
  const { web, api, realtime, mqtt, sqs, firebase } = endpoints
  return {
    ...{ name: 'dev', webUrl: web.url, apiUrl: api.url, realtimeUrl: realtime.url, faults: [] },
    mqtt: { host: mqtt.host, port: mqtt.port, caPem: readFile(mqtt.caFile) },
    sqs: new SQSClient({
      ...{ endpoint: sqs.url, region: sqs.region },
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    }),
    identityUrl: `http://${firebase.emulatorHost}/identitytoolkit.googleapis.com`,
    alarms: async () => v.parse(Alarms, await (await fetch(`${api.url}/local/alarms`)).json()),
  }
}
