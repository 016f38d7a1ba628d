import {
  DeleteConnectionCommand,
  type IoTDataPlaneClient,
  ResourceNotFoundException,
} from '@aws-sdk/client-iot-data-plane'

/**
 * Ends the gateway's connection now: AWS IoT checks a certificate when a client connects, and policies may take 8 minutes to be
 * seen everywhere. Its will is published, as it should be. Not being connected is no error.
 */
export async function disconnect(iotData: IoTDataPlaneClient, thingName: string): Promise<void> {
  try {
    await iotData.send(new DeleteConnectionCommand({ clientId: thingName }))
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error
  }
}
