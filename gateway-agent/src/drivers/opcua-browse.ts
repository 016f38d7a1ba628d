import {
  AttributeIds,
  BrowseDirection,
  NodeClass,
  type NodeId,
  type ReferenceDescription,
  resolveNodeId,
} from 'node-opcua-client'
import type { DataValue } from './driver.ts'
import { connectOpcUa, within, type OpcUaConnection, type OpcUaOptions } from './opcua-connection.ts'
import { addressOf, nodeIdOf } from './opcua-namespaces.ts'
import { decodeOpcUa } from './opcua-value.ts'

/** A node below the one that was asked for, which is level 0. */
export interface BrowsedNode {
  level: number
  name: string
  /** As a tag's address. */
  address: string
  /** Present for a variable. */
  value?: DataValue
}

/** The server's own state, hundreds of nodes that say nothing of the plant. */
const SERVER_OBJECT = 'i=2253'

/** What stands below `start`, each node before those below it, down to level `depth`. */
export async function* browseOpcUa(options: OpcUaOptions, start: string, depth: number): AsyncGenerator<BrowsedNode> {
  const connection = await connectOpcUa(options, () => undefined)
  try {
    const nodeId = nodeIdOf(start, connection.namespaces)
    if (nodeId === undefined) throw new Error(`${start}: the server does not have this namespace`)
    yield* below(connection, resolveNodeId(nodeId), 1, depth, options.timeoutMs, new Set())
  } finally {
    await connection.close()
  }
}

async function* below(
  connection: OpcUaConnection,
  parent: NodeId,
  level: number,
  depth: number,
  timeoutMs: number,
  seen: Set<string>,
): AsyncGenerator<BrowsedNode> {
  const { session, namespaces } = connection
  const children = (await childrenOf(connection, parent, timeoutMs)).filter(
    ({ nodeId }) => !seen.has(addressOf(nodeId, namespaces)),
  )
  const variables = children.filter(({ nodeClass }) => (nodeClass as number) === (NodeClass.Variable as number))
  const read = variables.map(({ nodeId }) => ({ nodeId, attributeId: AttributeIds.Value }))
  const values = read.length === 0 ? [] : await within(timeoutMs, session.read(read))
  for (const child of children) {
    const address = addressOf(child.nodeId, namespaces)
    if (seen.has(address)) continue
    seen.add(address)
    const place = variables.indexOf(child)
    const name = child.displayName.text ?? child.browseName.name ?? ''
    yield { level, name, address, ...(place !== -1 && { value: decodeOpcUa(values[place]!) }) }
    if (level < depth && address !== SERVER_OBJECT) {
      yield* below(connection, child.nodeId, level + 1, depth, timeoutMs, seen)
    }
  }
}

/** In as many answers as the server likes (OPC 10000-4, 5.9.2). Rejects when the server knows no such node. */
async function childrenOf(
  { session, namespaces }: OpcUaConnection,
  nodeId: NodeId,
  timeoutMs: number,
): Promise<ReferenceDescription[]> {
  const references: ReferenceDescription[] = []
  let page = await within(
    timeoutMs,
    session.browse({
      nodeId,
      referenceTypeId: 'HierarchicalReferences',
      includeSubtypes: true,
      browseDirection: BrowseDirection.Forward,
      nodeClassMask: NodeClass.Object | NodeClass.Variable,
      resultMask: 63,
    }),
  )
  for (;;) {
    if (page.statusCode.isBad())
      throw new Error(`${addressOf(nodeId, namespaces)}: the server says ${page.statusCode.name}`)
    references.push(...(page.references ?? []))
    // The library's types deny that it is null in the last answer.
    const { continuationPoint } = page as { continuationPoint: Buffer | null }
    if (!continuationPoint || continuationPoint.length === 0) return references
    page = await within(timeoutMs, session.browseNext(continuationPoint, false))
  }
}
