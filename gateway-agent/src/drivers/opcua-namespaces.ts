import type { NodeId } from 'node-opcua-client'

/** `nsu=URI;` names a namespace by its URI, which stays when the server numbers its namespaces anew (OPC 10000-6, 5.3.1.11). */
const BY_URI = /^nsu=([^;]+);/

/** The address with the number that its namespace has in this session; undefined when the server has no such namespace. */
export function nodeIdOf(address: string, namespaces: readonly string[]): string | undefined {
  const match = BY_URI.exec(address)
  if (!match) return address
  const index = namespaces.indexOf(match[1]!)
  return index === -1 ? undefined : `ns=${index};${address.slice(match[0].length)}`
}

/** As a tag's address, with the URI of its namespace. That of OPC UA itself is left out, as people write it. */
export function addressOf(nodeId: NodeId, namespaces: readonly string[]): string {
  const [namespace, ...identifier] = nodeId.toString().split(';')
  const uri = namespaces[nodeId.namespace]
  const isNameable = uri !== undefined && uri !== '' && !uri.includes(';')
  if (nodeId.namespace === 0) return identifier.join(';')
  return [isNameable ? `nsu=${uri}` : namespace, ...identifier].join(';')
}
