import { randomUUID } from 'node:crypto'
import type { Registry } from '../registry.ts'
import { certificateArn, certificateIdOf, thingArn } from './arns.ts'
import { fail, invalid, notFound } from './iot-error.ts'

/** Each gives the body of its answer, or throws AWS's error. */
export function thingOperations(registry: Registry) {
  const thing = (name: string) => registry.state.things[name] ?? fail(notFound(`Thing ${name}`))
  return {
    createThing(thingName: string) {
      const existing = registry.state.things[thingName]
      // The same call again is no error: only other attributes would be.
      if (!existing) registry.change((s) => (s.things[thingName] = { thingId: randomUUID(), principals: [] }))
      return { thingName, thingArn: thingArn(thingName), thingId: registry.state.things[thingName]!.thingId }
    },
    listThings: () => ({
      things: Object.keys(registry.state.things).map((thingName) => ({ thingName, thingArn: thingArn(thingName) })),
    }),
    describeThing(thingName: string) {
      const { thingId } = thing(thingName)
      return {
        thingName,
        thingArn: thingArn(thingName),
        thingId,
        defaultClientId: thingName,
        attributes: {},
        version: 1,
      }
    },
    deleteThing(thingName: string) {
      const existing = registry.state.things[thingName]
      if (existing && existing.principals.length > 0) {
        throw invalid(`Cannot delete. Thing ${thingName} is still attached to one or more principals`)
      }
      registry.change((s) => Reflect.deleteProperty(s.things, thingName))
      return {}
    },
    attachPrincipal(thingName: string, principal: string) {
      thing(thingName)
      const id = certificateIdOf(principal)
      if (!registry.state.certificates[id]) throw notFound(`Principal ${principal}`)
      registry.change((s) => (s.things[thingName]!.principals = [...new Set([...s.things[thingName]!.principals, id])]))
      return {}
    },
    detachPrincipal(thingName: string, principal: string) {
      thing(thingName)
      const id = certificateIdOf(principal)
      registry.change(
        (s) => (s.things[thingName]!.principals = s.things[thingName]!.principals.filter((p) => p !== id)),
      )
      return {}
    },
    listThingsOf: (principal: string) => ({
      things: Object.entries(registry.state.things)
        .filter(([, { principals }]) => principals.includes(certificateIdOf(principal)))
        .map(([name]) => name),
    }),
    listPrincipals: (thingName: string) => ({ principals: thing(thingName).principals.map(certificateArn) }),
  }
}
