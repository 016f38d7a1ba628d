import { DescribeEndpointCommand, type IoTClient } from '@aws-sdk/client-iot'
import type { IoTDataPlaneClientConfig } from '@aws-sdk/client-iot-data-plane'

const known = new WeakMap<IoTClient, Promise<string>>()

/** Host of the account's MQTT endpoint whose certificate is signed by Amazon's own roots. Asked once per process. */
export function mqttEndpoint(iot: IoTClient): Promise<string> {
  let endpoint = known.get(iot)
  if (endpoint === undefined) {
    endpoint = describe(iot)
    known.set(iot, endpoint)
    endpoint.catch(() => known.delete(iot))
  }
  return endpoint
}

async function describe(iot: IoTClient): Promise<string> {
  const { endpointAddress } = await iot.send(new DescribeEndpointCommand({ endpointType: 'iot:Data-ATS' }))
  if (endpointAddress === undefined) throw new Error('DescribeEndpoint gave no address')
  return endpointAddress
}

/** Where the data plane answers: at the account's own address, unless the environment names another (`given`). */
export function iotDataEndpoint(iot: IoTClient, given: string | undefined): IoTDataPlaneClientConfig {
  if (given !== undefined) return {}
  return { endpoint: async () => ({ protocol: 'https:', hostname: await mqttEndpoint(iot), path: '/' }) }
}
