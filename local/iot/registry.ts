/** Things, certificates and policies of the local AWS IoT, kept in one file. */
import { EventEmitter } from 'node:events'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import * as v from 'valibot'
import { type PolicyAction, isAllowed, PolicyDocument } from './policy.ts'

const State = v.object({
  things: v.record(
    v.string(),
    v.object({
      thingId: v.string(),
      attributes: v.optional(v.record(v.string(), v.string()), {}),
      principals: v.array(v.string()),
    }),
  ),
  /** Versions by id; `document` is the default one's. */
  policies: v.record(
    v.string(),
    v.object({ document: v.string(), versions: v.record(v.string(), v.string()), nextVersion: v.number() }),
  ),
  certificates: v.record(
    v.string(),
    v.object({
      pem: v.string(),
      status: v.picklist(['ACTIVE', 'INACTIVE']),
      policies: v.array(v.string()),
      createdAt: v.number(),
    }),
  ),
})
type State = v.InferOutput<typeof State>

export class Registry extends EventEmitter<{ change: [] }> {
  readonly #file: string
  readonly #state: State
  /** Clients that are connected now, by id: the broker's. */
  connections: ReadonlyMap<string, { close(): void }> = new Map()

  constructor(file: string) {
    super()
    this.#file = file
    const { things, policies, certificates } = existsSync(file)
      ? v.parse(State, JSON.parse(readFileSync(file, 'utf8')))
      : { things: {}, policies: {}, certificates: {} }
    this.#state = { things: byName(things), policies: byName(policies), certificates: byName(certificates) }
  }

  get state(): Readonly<State> {
    return this.#state
  }

  /** Changes the state and has it on disk before this returns; then tells the broker, which may have to end connections. */
  change(edit: (state: State) => void): void {
    edit(this.#state)
    writeFileSync(`${this.#file}.new`, JSON.stringify(this.#state, null, 2))
    renameSync(`${this.#file}.new`, this.#file)
    this.emit('change')
  }

  /** Whether this certificate, connected under this clientId, may do it. An unknown or inactive certificate may nothing. */
  allows(certificateId: string, clientId: string, action: PolicyAction, resource: string): boolean {
    const certificate = this.#state.certificates[certificateId]
    if (certificate?.status !== 'ACTIVE') return false
    const documents = certificate.policies.map((name) => parsed(this.#state.policies[name]!.document))
    const isAttached = this.#state.things[clientId]?.principals.includes(certificateId)
    return isAllowed(documents, { clientId, thingName: isAttached ? clientId : undefined }, action, resource)
  }
}

/** A Thing may be called `constructor`: no name is there before it is given. */
const byName = <T>(entries: Record<string, T>): Record<string, T> =>
  Object.assign(Object.create(null) as Record<string, T>, entries)

/** Each publish asks, and a text never changes its meaning. */
const parsedTexts = new Map<string, PolicyDocument>()

function parsed(text: string): PolicyDocument {
  let document = parsedTexts.get(text)
  if (!document) parsedTexts.set(text, (document = v.parse(PolicyDocument, JSON.parse(text))))
  return document
}
