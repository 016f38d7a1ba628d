import { Logger } from '@aws-lambda-powertools/logger'
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware'
import { Metrics } from '@aws-lambda-powertools/metrics'
import middy from '@middy/core'
import type { Context } from 'aws-lambda'
import type { METRICS, MetricsBy } from '../../schemas/metrics.ts'

/** Structured log of the function. Its name and level come from POWERTOOLS_SERVICE_NAME and POWERTOOLS_LOG_LEVEL. */
export const logger = new Logger()

/** Counts what `schemas/metrics.ts` names, in its unit. */
interface Counter<By> {
  addMetric<Name extends MetricsBy<By>>(name: Name, unit: (typeof METRICS)[Name]['unit'], value: number): unknown
}

const emf = new Metrics()

/** EMF metrics of the function: log lines that CloudWatch turns into metrics, written when the event is done. */
export const metrics: Counter<'service'> = emf

// Each metric is written at once, and takes the dimension with it.
const [emfOfTenant, emfOfCode] = [emf.singleMetric(), emf.singleMetric()]

/** Metrics of one tenant, or of one code of refusals: a line of their own, as an EMF line has one set of dimensions. */
export const metricsOf = (tenant: string): Counter<'tenant'> => emfOfTenant.addDimension('tenant', tenant)
export const metricsOfCode = (errorCode: string): Counter<'errorCode'> => emfOfCode.addDimension('errorCode', errorCode)

/** Frame of every handler: the request id in each log line, metrics flushed even when the handler throws. */
export function frame<Event, Result>(handler: (event: Event, context: Context) => Promise<Result>) {
  return middy<Event, Result>()
    .use(injectLambdaContext(logger, { resetKeys: true }))
    .use({ after: writeMetrics, onError: writeMetrics })
    .handler(handler)
}

/** Not powertools' own middleware: that one warns of each event that has nothing to count. */
function writeMetrics(): void {
  if (emf.hasStoredMetrics()) emf.publishStoredMetrics()
}
