import { Logger } from '@aws-lambda-powertools/logger'
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware'
import { Metrics } from '@aws-lambda-powertools/metrics'
import middy from '@middy/core'
import type { Context } from 'aws-lambda'

/** Structured log of the function. Its name and level come from POWERTOOLS_SERVICE_NAME and POWERTOOLS_LOG_LEVEL. */
export const logger = new Logger()

/** EMF metrics of the function: log lines that CloudWatch turns into metrics, written when the event is done. */
export const metrics = new Metrics()

/** Metrics of one tenant: a line of their own, as an EMF line has one set of dimensions. */
export const metricsOf = (tenant: string): Metrics => metrics.singleMetric().addDimension('tenant', tenant)

/** Frame of every handler: the request id in each log line, metrics flushed even when the handler throws. */
export function frame<Event, Result>(handler: (event: Event, context: Context) => Promise<Result>) {
  return middy<Event, Result>()
    .use(injectLambdaContext(logger, { resetKeys: true }))
    .use({ after: writeMetrics, onError: writeMetrics })
    .handler(handler)
}

/** Not powertools' own middleware: that one warns of each event that has nothing to count. */
function writeMetrics(): void {
  if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics()
}
