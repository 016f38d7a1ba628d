/** Limits of AWS Lambda that a deployment meets: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html. */
import * as v from 'valibot'
import type { Assembly, ResolvedResource } from '../assembly/assembly.ts'

const MAX_ENVIRONMENT_BYTES = 4096
/** Above this batch size an event source needs a batching window; a FIFO queue takes no more at all. */
const BATCH_WITHOUT_WINDOW = 10

const FunctionProperties = v.object({
  MemorySize: v.optional(v.pipe(v.number(), v.integer(), v.minValue(128), v.maxValue(10_240))),
  Timeout: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(900))),
  Environment: v.optional(v.object({ Variables: v.record(v.string(), v.unknown()) }), { Variables: {} }),
})

/** A line for each limit that a function or an event source breaks. */
export function brokenLimits(assembly: Assembly, functions: ResolvedResource[]): string[] {
  return [...functions.flatMap(limitsOfFunction), ...limitsOfEventSources(assembly, functions)]
}

function limitsOfFunction({ logicalId, properties }: ResolvedResource): string[] {
  const parsed = v.safeParse(FunctionProperties, properties)
  if (!parsed.success)
    return parsed.issues.map((issue) => `Function ${logicalId}: ${v.getDotPath(issue)}: ${issue.message}`)
  const bytes = Object.entries(parsed.output.Environment.Variables).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(String(value)),
    0,
  )
  if (bytes <= MAX_ENVIRONMENT_BYTES) return []
  return [`Function ${logicalId}: its environment has ${bytes} bytes, Lambda takes ${MAX_ENVIRONMENT_BYTES}`]
}

function limitsOfEventSources(assembly: Assembly, functions: ResolvedResource[]): string[] {
  const queues = assembly.resources('AWS::SQS::Queue')
  return assembly.resources('AWS::Lambda::EventSourceMapping').flatMap(({ logicalId, properties }) => {
    const queue = queues.find((candidate) => assembly.attribute(candidate, 'Arn') === properties.EventSourceArn)
    const target = functions.find((candidate) => assembly.ref(candidate) === properties.FunctionName)
    const batchSize = Number(properties.BatchSize ?? 10)
    const wrong: string[] = []
    if (batchSize > BATCH_WITHOUT_WINDOW && Number(properties.MaximumBatchingWindowInSeconds ?? 0) < 1)
      wrong.push(`a batch of ${batchSize} needs a batching window of at least 1 s`)
    if (batchSize > BATCH_WITHOUT_WINDOW && queue?.properties.FifoQueue)
      wrong.push(`a batch of ${batchSize} from a FIFO queue, which gives ${BATCH_WITHOUT_WINDOW} at most`)
    const visibility = Number(queue?.properties.VisibilityTimeout ?? 30)
    const timeout = Number(target?.properties.Timeout ?? 3)
    if (visibility < timeout)
      wrong.push(`the queue hides a message for ${visibility} s, the function may take ${timeout} s`)
    return wrong.map((what) => `Event source ${logicalId}: ${what}`)
  })
}
