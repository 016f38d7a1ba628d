/**
 * Which addresses somebody else's URL may lead to. Checked when a webhook is saved, and again for the very address that is connected
 * to: a name may lead elsewhere a moment later (DNS rebinding).
 */
import { lookup as lookUp } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'

/** Of the IANA registries of special-purpose addresses: all that is not globally reachable, and what embeds an IPv4 address. */
const NOT_PUBLIC = {
  ipv4: [
    ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
    ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
    ...['224.0.0.0/4', '240.0.0.0/4'],
  ],
  // Global unicast is 2000::/3; of it, the special ones.
  ipv6: ['::/3', '4000::/2', '8000::/1', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'],
} as const

/** One list each: Node would find an IPv4 address in the IPv6 network that maps all of them. */
const blocked = { ipv4: new BlockList(), ipv6: new BlockList() }
for (const family of ['ipv4', 'ipv6'] as const)
  for (const subnet of NOT_PUBLIC[family]) {
    const [network, bits] = subnet.split('/')
    blocked[family].addSubnet(network!, Number(bits), family)
  }

export const isPublicAddress = (address: string): boolean => {
  const version = isIP(address)
  if (version === 0) return false
  const family = version === 4 ? 'ipv4' : 'ipv6'
  return !blocked[family].check(address, family)
}

/** A host's addresses. Rejects when it has none. */
export type Resolve = (host: string) => Promise<string[]>

const resolveByDns: Resolve = async (host) => (await lookUp(host, { all: true })).map(({ address }) => address)

export class ForbiddenUrl extends Error {
  override name = 'ForbiddenUrl'
}

/**
 * Addresses that may be connected to for this URL. Throws ForbiddenUrl, which says what is wrong, when it is not https on port 443 or
 * when any address of its host is not public.
 */
export async function publicAddressesOf(url: string, resolve: Resolve = resolveByDns): Promise<string[]> {
  const { protocol, hostname, port, username, password } = new URL(url)
  if (protocol !== 'https:') throw new ForbiddenUrl('must begin with https://')
  if (port !== '') throw new ForbiddenUrl('must use port 443, which is the only one that is open to the outside')
  if (username !== '' || password !== '') throw new ForbiddenUrl('must hold no user name and no password')
  const host = hostname.replace(/^\[|\]$/g, '')
  const addresses = isIP(host) ? [host] : await addressesOf(host, resolve)
  if (addresses.length === 0) throw new ForbiddenUrl(`names the host ${host}, which has no address`)
  if (!addresses.every(isPublicAddress)) throw new ForbiddenUrl(`leads to an address that is not public (${host})`)
  return addresses
}

async function addressesOf(host: string, resolve: Resolve): Promise<string[]> {
  try {
    return await resolve(host)
  } catch (error) {
    throw new ForbiddenUrl(`names the host ${host}, which cannot be found`, { cause: error })
  }
}
