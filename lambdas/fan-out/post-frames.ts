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
 * it is old, and the browser sees the gap in the versions and subscribes again. Returns the connections that are gone, and
 * those that took no frame: they would delay the next ones too.
 */
export async function postFrames(
  api: ApiGatewayManagementApiClient,
  connectionIds: string[],
  frames: string[],
): Promise<{ gone: string[]; slow: string[] }> {
  const gone: string[] = []
  const slow: string[] = []
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
      slow.push(connectionId)
      metrics.addMetric('FramesDropped', 'Count', 1)
      logger.warn('A frame was dropped', { connectionId, reason: (error as Error).message })
    }
  })
  return { gone, slow }
}
