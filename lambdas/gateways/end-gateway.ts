import type { IoTClient } from '@aws-sdk/client-iot'
import type { IoTDataPlaneClient } from '@aws-sdk/client-iot-data-plane'
import type { Kysely } from 'kysely'
import type { Database } from '../data/database.ts'
import type { GatewayRef } from '../data/gateway-lease.ts'
import { removeGateway } from '../data/gateway-lifecycle.ts'
import { disconnect } from './disconnect.ts'
import { removeEndingCertificates } from './remove-certificates.ts'
import { deletePolicy, deleteThing } from './thing-and-policy.ts'

interface Aws {
  db: Kysely<Database>
  iot: IoTClient
  iotData: IoTDataPlaneClient
}

/** After revokeGateway: nothing lets it in any more, then its connection ends, also where not all could be removed. */
export async function shutOut({ db, iot, iotData }: Aws, gateway: GatewayRef & { thingName: string }): Promise<void> {
  try {
    await removeEndingCertificates({ db, iot }, gateway)
  } finally {
    await disconnect(iotData, gateway.thingName)
  }
}

/** The same, then all that is left of it. The row goes last: by it an interrupted deletion is taken up again. */
export async function eraseGateway(aws: Aws, gateway: GatewayRef & { thingName: string }): Promise<void> {
  await shutOut(aws, gateway)
  await deletePolicy(aws.iot, gateway.thingName)
  await deleteThing(aws.iot, gateway.thingName)
  await removeGateway(aws.db, gateway)
}
