/** Every quarter of an hour: finishes what was interrupted at AWS IoT, and tells what cannot be explained. */
import { IoTClient } from '@aws-sdk/client-iot'
import { IoTDataPlaneClient } from '@aws-sdk/client-iot-data-plane'
import * as v from 'valibot'
import type { Database } from '../data/database.ts'
import { iotDataEndpoint } from '../gateways/endpoint.ts'
import { postgresEnvironment, readEnvironment } from '../runtime/environment.ts'
import { frame, logger, metrics } from '../runtime/frame.ts'
import { openPostgres } from '../runtime/postgres.ts'
import { reconcile } from './reconcile.ts'

const environment = readEnvironment({
  ...postgresEnvironment,
  STAGE: v.string(),
  AWS_ENDPOINT_URL_IOT_DATA_PLANE: v.optional(v.string()),
})
const { db } = openPostgres<Database>(environment)
const iot = new IoTClient()
const iotData = new IoTDataPlaneClient(iotDataEndpoint(iot, environment.AWS_ENDPOINT_URL_IOT_DATA_PLANE))

export const handler = frame(async () => {
  const differences = await reconcile({ db, iot, iotData, stage: environment.STAGE }, Date.now())
  const { unrepaired, withoutCertificate, unknown } = differences
  metrics.addMetric('GatewayDifferences', 'Count', unrepaired.length + withoutCertificate.length + unknown.length)
  logger.info('Gateways compared with AWS IoT', { ...differences })
  return differences
})
