/** The synthesized CDK app: all stacks' templates, with every value resolved to what it is on this machine. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { type Scope, resolveValue } from './intrinsics.ts'
import { attributeOf, refOf } from './physical-values.ts'
import { checkTypes } from './check-types.ts'

const Resource = v.object({
  Type: v.string(),
  Condition: v.optional(v.string()),
  Properties: v.optional(v.record(v.string(), v.unknown()), {}),
  Metadata: v.optional(v.record(v.string(), v.unknown()), {}),
})
const Template = v.object({
  Parameters: v.optional(v.record(v.string(), v.object({ Default: v.optional(v.unknown()) })), {}),
  Mappings: v.optional(v.record(v.string(), v.record(v.string(), v.record(v.string(), v.unknown()))), {}),
  Conditions: v.optional(v.record(v.string(), v.unknown()), {}),
  Resources: v.optional(v.record(v.string(), Resource), {}),
  Outputs: v.optional(
    v.record(v.string(), v.object({ Value: v.unknown(), Export: v.optional(v.object({ Name: v.unknown() })) })),
    {},
  ),
})
export type Template = v.InferOutput<typeof Template>

const Manifest = v.object({
  artifacts: v.record(
    v.string(),
    v.object({
      type: v.string(),
      properties: v.optional(
        v.looseObject({ templateFile: v.optional(v.string()), stackName: v.optional(v.string()) }),
      ),
    }),
  ),
})

export interface Stack {
  /** As in the app's code: `Ingest`. */
  id: string
  /** As in AWS: `iot-telemetry-dev-ingest`. */
  name: string
  template: Template
}

export interface ResolvedResource {
  stack: Stack
  logicalId: string
  type: string
  properties: Record<string, unknown>
  metadata: Record<string, unknown>
}

/** What the templates cannot know: where the services of this run answer. */
export interface LocalValues {
  queueUrl: (queueName: string) => string
  database: { host: string; port: number }
  redis: { host: string; port: number }
  /** Value of a secret, by its ARN. */
  secret: (arn: string) => string
}

export class Assembly {
  readonly folder: string
  readonly stacks: Stack[]
  readonly #local: LocalValues

  private constructor(folder: string, stacks: Stack[], local: LocalValues) {
    this.folder = folder
    this.stacks = stacks
    this.#local = local
  }

  /** Throws, naming it, when a template holds a resource type that this cloud does not know. */
  static read(folder: string, local: LocalValues): Assembly {
    const { artifacts } = v.parse(Manifest, readJson(join(folder, 'manifest.json')))
    const stacks = Object.entries(artifacts).flatMap(([id, { type, properties }]): Stack[] => {
      if (type !== 'aws:cloudformation:stack' || !properties?.templateFile) return []
      const template = v.parse(Template, readJson(join(folder, properties.templateFile)))
      return [{ id, name: properties.stackName ?? id, template }]
    })
    checkTypes(stacks)
    return new Assembly(folder, stacks, local)
  }

  /** Every resource of a type, properties resolved. */
  resources(type: string): ResolvedResource[] {
    return this.stacks.flatMap((stack) =>
      Object.entries(stack.template.Resources)
        .filter(([, resource]) => resource.Type === type && this.#exists(stack, resource.Condition))
        .map(([logicalId, resource]) => ({
          stack,
          logicalId,
          type,
          properties: this.#resolve(stack, resource.Properties) as Record<string, unknown>,
          metadata: resource.Metadata,
        })),
    )
  }

  /** What `Ref` gives elsewhere for this resource. */
  ref(resource: ResolvedResource): unknown {
    return this.#scope(resource.stack).ref(resource.logicalId)
  }

  attribute(resource: ResolvedResource, name: string): unknown {
    return this.#scope(resource.stack).attribute(resource.logicalId, name)
  }

  /** Throws when the stack does not say it. */
  output(stackId: string, name: string): string {
    const stack = this.stacks.find((candidate) => candidate.id === stackId)
    const output = stack?.template.Outputs[name]
    if (!stack || !output) throw new Error(`The stack ${stackId} has no output ${name}, which local/ needs.`)
    return v.parse(v.string(), this.#resolve(stack, output.Value))
  }

  #exists(stack: Stack, condition: string | undefined): boolean {
    return condition === undefined || this.#scope(stack).condition(condition)
  }

  #resolve(stack: Stack, value: unknown): unknown {
    return resolveValue(this.#scope(stack), value)
  }

  #scope(stack: Stack): Scope {
    const { template } = stack
    const resource = (logicalId: string) => {
      const found = template.Resources[logicalId]
      if (!found) throw new Error(`${stack.id}: there is no resource or parameter ${logicalId}`)
      const property = (name: string) => this.#resolve(stack, found.Properties[name])
      return { stack, logicalId, type: found.Type, property }
    }
    return {
      stackName: stack.name,
      mappings: template.Mappings,
      ref: (name) => {
        const parameter = template.Parameters[name]
        return parameter ? this.#resolve(stack, parameter.Default) : refOf(resource(name), this.#local)
      },
      attribute: (logicalId, name) => attributeOf(resource(logicalId), name, this.#local),
      importValue: (name) => this.#exported(name),
      condition: (name) => Boolean(this.#resolve(stack, template.Conditions[name])),
      secret: (arn) => this.#local.secret(arn),
    }
  }

  #exported(name: string): unknown {
    for (const stack of this.stacks) {
      for (const output of Object.values(stack.template.Outputs)) {
        if (output.Export && this.#resolve(stack, output.Export.Name) === name)
          return this.#resolve(stack, output.Value)
      }
    }
    throw new Error(`No stack exports ${name}.`)
  }
}

const readJson = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'))
