/** Refuses, all at once, what AWS would refuse at a deployment or leave silent after it. */
import type { Assembly, ResolvedResource } from '../assembly/assembly.ts'
import { refusedInvocations } from './invocations.ts'
import { brokenLimits } from './limits.ts'
import { missingPaths } from './network.ts'
import { readNeeds, unmetNeeds } from './needs.ts'
import type { Role } from './roles.ts'

/** Throws with a line for each fault. `functions`: those that run here. */
export function checkDeployment(assembly: Assembly, functions: ResolvedResource[], roles: Map<string, Role>): void {
  const faults = [
    ...unmetNeeds(readNeeds(assembly, functions), roles),
    ...refusedInvocations(assembly),
    ...missingPaths(assembly, functions, roles),
    ...brokenLimits(assembly, functions),
  ]
  if (faults.length > 0) throw new Error(`AWS would refuse these templates:\n- ${faults.join('\n- ')}`)
}
