import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import * as v from 'valibot'
import { REGION } from '../aws-identity.ts'
import type { FunctionSettings } from '../lambda/function.ts'
import type { Assembly, ResolvedResource } from './assembly.ts'

const FunctionProperties = v.object({
  Handler: v.string(),
  MemorySize: v.optional(v.number(), 128),
  Timeout: v.optional(v.number(), 3),
  ReservedConcurrentExecutions: v.optional(v.number()),
  Environment: v.optional(v.object({ Variables: v.optional(v.record(v.string(), v.unknown()), {}) })),
})

/** Where the template reserves nothing: what a new AWS account has for all its functions. */
const UNRESERVED_INSTANCES = 10

/** Custom resources whose functions belong to the CDK library; what they would do is done by local/ itself. */
const DONE_HERE = ['Custom::Trigger', 'Custom::CDKBucketDeployment']

/** All functions that run here. */
export function functionResources(assembly: Assembly): ResolvedResource[] {
  const ofTheLibrary = DONE_HERE.flatMap((type) => assembly.resources(type)).map(
    (resource) => resource.properties.ServiceToken,
  )
  return assembly
    .resources('AWS::Lambda::Function')
    .filter((resource) => !ofTheLibrary.includes(assembly.attribute(resource, 'Arn')))
}

/** `environmentOf` turns the template's variables into those of this machine. */
export function readFunctions(
  assembly: Assembly,
  environmentOf: (template: Record<string, string>) => Record<string, string>,
): FunctionSettings[] {
  return functionResources(assembly).map((resource) =>
    settingsOf(assembly.folder, resource, String(assembly.attribute(resource, 'Arn')), environmentOf),
  )
}

function settingsOf(
  folder: string,
  resource: ResolvedResource,
  arn: string,
  environmentOf: (template: Record<string, string>) => Record<string, string>,
): FunctionSettings {
  const properties = v.parse(FunctionProperties, resource.properties)
  const name = arn.split(':').at(-1)!
  const [module, exportName] = properties.Handler.split('.')
  const asset = resolve(folder, v.parse(v.string(), resource.metadata['aws:asset:path']))
  const file = ['mjs', 'js'].map((ending) => join(asset, `${module!}.${ending}`)).find((path) => existsSync(path))
  if (file === undefined) throw new Error(`${resource.logicalId}: ${asset} holds no ${module!}.mjs`)
  const variables = Object.entries(properties.Environment?.Variables ?? {}).map(([key, value]) => [key, String(value)])
  return {
    name,
    arn,
    file,
    exportName: exportName ?? 'handler',
    memoryMb: properties.MemorySize,
    timeoutSec: properties.Timeout,
    maxInstances: properties.ReservedConcurrentExecutions ?? UNRESERVED_INSTANCES,
    environment: {
      ...environmentOf(Object.fromEntries(variables) as Record<string, string>),
      // What the Lambda service itself sets.
      AWS_REGION: REGION,
      AWS_DEFAULT_REGION: REGION,
      AWS_ACCESS_KEY_ID: name,
      AWS_LAMBDA_FUNCTION_NAME: name,
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(properties.MemorySize),
      AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
      LAMBDA_TASK_ROOT: asset,
      _HANDLER: properties.Handler,
      TZ: ':UTC',
      LANG: 'en_US.UTF-8',
    },
  }
}
