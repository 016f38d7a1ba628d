import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { telemetryApp } from '../../../cdk/telemetry-app.ts'

export interface Resource {
  Type: string
  Properties?: Record<string, unknown>
  DeletionPolicy?: string
  Metadata?: Record<string, string>
}

export interface Template {
  Resources: Record<string, Resource>
  Outputs?: Record<string, unknown>
}

export type Templates = Record<string, Template>

/** The templates of a stage by stack, without bundling: a fifth of a second. */
export function synthesize(context: Record<string, unknown> = {}): Templates {
  const outdir = mkdtempSync(join(tmpdir(), 'cdk-test-'))
  try {
    return synthesizeInto(outdir, { ...context, 'aws:cdk:bundling-stacks': [] })
  } finally {
    rmSync(outdir, { recursive: true })
  }
}

/** The whole cloud assembly, in a folder, and its templates by stack. The library's own validation is left to CI's synth. */
export function synthesizeInto(outdir: string, context: Record<string, unknown>): Templates {
  const { stacks } = telemetryApp({ outdir, builtinCloudFormationValidation: false, context }).synth()
  return Object.fromEntries(stacks.map((stack) => [stack.id, stack.template as Template]))
}

export interface Found<Properties> {
  stack: string
  id: string
  properties: Properties
  deletionPolicy: string | undefined
  metadata: Record<string, string>
}

/** Every resource of a type, with the properties that the caller declares to look at. */
export function resources<Properties = Record<string, unknown>>(
  templates: Templates,
  type: string,
): Found<Properties>[] {
  return Object.entries(templates).flatMap(([stack, { Resources }]) =>
    Object.entries(Resources)
      .filter(([, resource]) => resource.Type === type)
      .map(([id, resource]) => ({
        stack,
        id,
        properties: (resource.Properties ?? {}) as Properties,
        deletionPolicy: resource.DeletionPolicy,
        metadata: resource.Metadata ?? {},
      })),
  )
}

/** The only resource of a type whose logical id begins with `prefix`. */
export function resource<Properties = Record<string, unknown>>(
  templates: Templates,
  type: string,
  prefix = '',
): Found<Properties> {
  const found = resources<Properties>(templates, type).filter(({ id }) => id.startsWith(prefix))
  if (found.length !== 1)
    throw new Error(
      `${found.length} resources of ${type} begin with "${prefix}": ${found.map(({ id }) => id).join(', ')}`,
    )
  return found[0]!
}

export interface FunctionProperties {
  Handler: string
  Runtime: string
  Timeout: number
  Architectures?: string[]
  VpcConfig?: { SecurityGroupIds: unknown[] }
  Environment?: { Variables: Record<string, unknown> }
}

/** Our functions, by their construct's name; the library's own (deployments, triggers) have no service name. */
export function houseFunctions(templates: Templates): Record<string, Found<FunctionProperties>> {
  return Object.fromEntries(
    resources<FunctionProperties>(templates, 'AWS::Lambda::Function')
      .filter(({ properties }) => properties.Environment?.Variables['POWERTOOLS_SERVICE_NAME'] !== undefined)
      .map((found) => [found.id.slice(0, -8), found]),
  )
}
