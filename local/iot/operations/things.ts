import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Registry } from '../registry.ts'
import { certificateArn, certificateIdOf, thingArn } from './arns.ts'
import { fail, invalid, IotError, notFound } from './iot-error.ts'

/** Each gives the body of its answer, or throws AWS's error. */
export function thingOperations(registry: Registry) {
  const thing = (name: string) => registry.state.things[name] ?? fail(notFound(`Thing ${name}`))
  return {
    createThing(thingName: string, attributes: Record<string, string> = {}) {
      checkAttributes(attributes)
      const existing = registry.state.things[thingName]
      // The same call again is no error.
      if (existing && !isDeepStrictEqual(existing.attributes, attributes)) {
        throw new IotError(
          'ResourceAlreadyExistsException',
          409,
          `Thing ${thingName} already exists in account with different attributes`,
          { resourceId: thingName, resourceArn: thingArn(thingName) },
        )
      }
      if (!existing)
        registry.change((s) => (s.things[thingName] = { thingId: randomUUID(), attributes, principals: [] }))
      return { thingName, thingArn: thingArn(thingName), thingId: registry.state.things[thingName]!.thingId }
    },
    listThings: () => ({
      things: Object.entries(registry.state.things).map(([thingName, { attributes }]) => ({
        ...{ thingName, thingArn: thingArn(thingName), attributes, version: 1 },
      })),
    }),
    describeThing(thingName: string) {
      const { thingId, attributes } = thing(thingName)
      return {
        thingName,
        thingArn: thingArn(thingName),
        thingId,
        defaultClientId: thingName,
        attributes,
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
    listPrincipals: (thingName: string) => ({ principals: thing(thingName).principals.map(certificateArn) }),
  }
}

/** As the API reference of CreateThing says; without a thing type there are three at most. */
function checkAttributes(attributes: Record<string, string>): void {
  const entries = Object.entries(attributes)
  if (entries.length > 3) throw invalid('A thing without a thing type has at most 3 attributes')
  for (const [name, value] of entries) {
    if (!/^[a-zA-Z0-9_.,@/:#-]{1,128}$/.test(name)) throw invalid(`Invalid attribute name ${name}`)
    if (!/^[a-zA-Z0-9_.,@/:#-]{0,800}$/.test(value)) throw invalid(`Invalid value of the attribute ${name}`)
  }
}
