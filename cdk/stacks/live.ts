import { CfnOutput, Duration, Stack, type StackProps } from 'aws-cdk-lib'
import { WebSocketApi, WebSocketStage } from 'aws-cdk-lib/aws-apigatewayv2'
import { WebSocketLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { Construct } from 'constructs'
import { type Access, houseFunction, type Surroundings } from '../constructs/lambda.ts'
import type { DataStack } from './data.ts'
import type { IngestStack } from './ingest.ts'

/** The WebSocket that browsers watch plants through, and the fan-out that feeds it. */
export class LiveStack extends Stack {
  /** `wss://…`, for browsers. */
  readonly url: string
  readonly socketHost: string
  /** To post to the sockets, and to close them. */
  readonly posting: Access

  constructor(
    scope: Construct,
    id: string,
    props: StackProps,
    surroundings: Surroundings,
    { postgres, redis }: DataStack,
    { fanOut }: IngestStack,
  ) {
    super(scope, id, props)
    const socket = new WebSocketApi(this, 'Socket', { apiName: `iot-telemetry-${surroundings.settings.stage}-live` })
    // No access log: the URL of $connect carries the ticket.
    const stage = new WebSocketStage(this, 'Stage', {
      webSocketApi: socket,
      stageName: 'live',
      autoDeploy: true,
      throttle: { rateLimit: 500, burstLimit: 1000 },
    })
    this.url = stage.url
    this.socketHost = `${socket.apiId}.execute-api.${this.region}.${this.urlSuffix}`

    this.posting = {
      environment: { AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI: stage.callbackUrl },
      statements: [
        new PolicyStatement({
          actions: ['execute-api:ManageConnections'],
          resources: [
            this.formatArn({
              service: 'execute-api',
              resource: socket.apiId,
              resourceName: `${stage.stageName}/*/@connections/*`,
            }),
          ],
        }),
      ],
    }
    const liveSocket = houseFunction(this, 'LiveSocket', surroundings, {
      folder: 'live-socket',
      description: 'Connects browsers by ticket and sends them the snapshot of a plant',
      memoryMb: 512,
      timeout: Duration.seconds(15),
      access: [postgres.as('iot_api'), redis.access, this.posting],
    })
    for (const route of ['$connect', '$disconnect', '$default'])
      socket.addRoute(route, { integration: new WebSocketLambdaIntegration(`Route${route.slice(1)}`, liveSocket) })

    fanOut.deliverTo(
      houseFunction(this, 'FanOut', surroundings, {
        folder: 'fan-out',
        description: 'Posts what changed in a plant to everybody who watches it',
        memoryMb: 512,
        timeout: fanOut.timeout,
        access: [redis.access, this.posting],
      }),
    )
    new CfnOutput(this, 'RealtimeUrl', { value: this.url })
  }
}
