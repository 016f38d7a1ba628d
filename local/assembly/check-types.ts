import type { Stack } from './assembly.ts'
import { WITH_LOCAL_EFFECT } from './physical-values.ts'
import { WITHOUT_LOCAL_EFFECT } from './without-local-effect.ts'

/** Throws, naming each, when a template holds a resource type that this cloud neither makes nor may leave out. */
export function checkTypes(stacks: Stack[]): void {
  const unknown = stacks.flatMap((stack) =>
    Object.entries(stack.template.Resources)
      .filter(([, { Type }]) => !WITH_LOCAL_EFFECT.includes(Type) && !(Type in WITHOUT_LOCAL_EFFECT))
      .map(([logicalId, { Type }]) => `${Type} (${stack.id}/${logicalId})`),
  )
  if (unknown.length === 0) return
  throw new Error(
    `local/ does not know: ${unknown.join(', ')}. Teach it what to do (local/assembly/physical-values.ts) ` +
      'or say why it needs nothing (local/assembly/without-local-effect.ts).',
  )
}
