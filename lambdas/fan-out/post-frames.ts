import {
  type ApiGatewayManagementApiClient,
  GoneException,
  PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi'
import { logger, metrics } from '../runtime/frame.ts'
import { runBounded } from '../runtime/run-bounded.ts'

const AT_ONCE = 20

/**
 * Posts the frames of one plant, in order, to each connection. A frame that cannot be posted is not tried again: by then
 * it is old, and the browser sees the gap in the versions and subscribes again. Returns the connections that are gone.
 */
export async function postFrames(
  api: ApiGatewayManagementApiClient,
  connectionIds: string[],
  frames: string[],
): Promise<string[]> {
  const gone: string[] = []
  await runBounded(connectionIds, AT_ONCE, async (connectionId) => {
    try {
      for (const frame of frames) {
        await api.send(new PostToConnectionCommand({ ConnectionId: connectionId, Data: frame }))
        metrics.addMetric('FramesPosted', 'Count', 1)
      }
    } catch (error) {
      if (error instanceof GoneException) {
        gone.push(connectionId)
        return
      }
      metrics.addMetric('FramesDropped', 'Count', 1)
      logger.warn('A frame was dropped', { connectionId, reason: (error as Error).message })
    }
  })
  return gone
}
