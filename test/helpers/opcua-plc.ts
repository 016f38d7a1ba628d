import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DataType } from 'node-opcua'
import {
  MessageSecurityMode,
  OPCUACertificateManager,
  OPCUAServer,
  SecurityPolicy,
  ServiceFault,
  setErrorLogger,
  setWarningLogger,
  StatusCodes,
  type StatusCode,
  type UAVariable,
  VariantArrayType,
} from 'node-opcua'

export interface OpcUaPlc {
  endpoint: string
  port: number
  /** The server's own trust list, where a client's certificate is to be found. */
  pkiDir: string
  /** Of the namespace of its nodes: ns=1, unless there are foreign ones. */
  namespaceUri: string
  /** Sets the node ns=1;s=NAME, and makes it the first time. */
  set: (
    name: string,
    dataType: DataType,
    value: unknown,
    more?: { status?: StatusCode; at?: Date; isArray?: boolean },
  ) => void
  stop: () => Promise<void>
}

export interface OpcUaPlcOptions {
  port?: number
  /** A folder that outlives the server: its certificate stays the same. */
  pkiDir?: string
  /** Trusts every client's certificate. */
  isTrusting?: boolean
  user?: { name: string; password: string }
  hasSubscriptions?: boolean
  /** URIs of namespaces before that of its nodes. */
  foreignNamespaces?: string[]
}

/** A real OPC UA server, whose nodes the test sets. */
export async function startOpcUaPlc(options: OpcUaPlcOptions = {}): Promise<OpcUaPlc> {
  setErrorLogger(() => undefined)
  setWarningLogger(() => undefined)
  const folder = options.pkiDir ?? mkdtempSync(join(tmpdir(), 'opcua-plc-'))
  const certificates = new OPCUACertificateManager({
    rootFolder: folder,
    automaticallyAcceptUnknownCertificate: options.isTrusting ?? true,
    disableFileWatchers: true,
  })
  await certificates.initialize()
  const server = new OPCUAServer({
    port: options.port ?? 0,
    hostname: '127.0.0.1',
    serverCertificateManager: certificates,
    userCertificateManager: certificates,
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
    allowAnonymous: !options.user,
    userManager: {
      isValidUser: (name: string, password: string) =>
        name === options.user?.name && password === options.user.password,
    },
    disableDiscovery: true,
  })
  if (options.hasSubscriptions === false) {
    // The library has no switch for it: its handler of the request is replaced by a refusal.
    const responseHeader = { serviceResult: StatusCodes.BadServiceUnsupported }
    Object.assign(server, {
      _on_CreateSubscriptionRequest(message: object, channel: { send_response: (...all: unknown[]) => void }) {
        channel.send_response('MSG', new ServiceFault({ responseHeader }), message)
      },
    })
  }
  await server.initialize()
  const addressSpace = server.engine.addressSpace!
  for (const uri of options.foreignNamespaces ?? []) addressSpace.registerNamespace(uri)
  const namespace = options.foreignNamespaces
    ? addressSpace.registerNamespace('urn:test:plc')
    : addressSpace.getOwnNamespace()
  const nodes = new Map<string, UAVariable>()
  const plc: OpcUaPlc = {
    endpoint: '',
    port: 0,
    pkiDir: folder,
    namespaceUri: namespace.namespaceUri,
    set(name, dataType, value, { status = StatusCodes.Good, at = new Date(), isArray = false } = {}) {
      let node = nodes.get(name)
      if (!node) {
        node = namespace.addVariable({
          organizedBy: server.engine.addressSpace!.rootFolder.objects,
          browseName: name,
          nodeId: `s=${name}`,
          dataType,
          valueRank: isArray ? 1 : -1,
          minimumSamplingInterval: 10,
        })
        nodes.set(name, node)
      }
      const arrayType = isArray ? VariantArrayType.Array : VariantArrayType.Scalar
      node.setValueFromSource({ dataType, value, arrayType }, status, at)
    },
    async stop() {
      await server.shutdown(0)
      await certificates.dispose()
      if (!options.pkiDir) rmSync(folder, { recursive: true, force: true })
    },
  }
  await server.start()
  plc.endpoint = server.getEndpointUrl()
  plc.port = Number(new URL(plc.endpoint.replace('opc.tcp', 'http')).port)
  return plc
}
