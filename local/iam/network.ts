/**
 * Network paths of the functions, from the templates' security groups and routes. Everything here listens on 127.0.0.1,
 * so that a path which is missing would show in AWS only, as a time-out.
 */
import * as v from 'valibot'
import type { Assembly, ResolvedResource } from '../assembly/assembly.ts'
import type { Role } from './roles.ts'

const ANYWHERE = '0.0.0.0/0'
const HTTPS = 443
/** Services whose rights a function has without ever calling them: Lambda does, or a token is signed in the function. */
const NOT_CALLED = ['logs', 'ec2', 'rds-db']

const FunctionProperties = v.object({
  Role: v.string(),
  VpcConfig: v.optional(v.object({ SubnetIds: v.array(v.string()), SecurityGroupIds: v.array(v.string()) })),
  Environment: v.optional(v.object({ Variables: v.record(v.string(), v.unknown()) }), { Variables: {} }),
})

/** Of a template both as an element of its group and as a resource of its own. */
const Opening = v.object({
  IpProtocol: v.string(),
  FromPort: v.optional(v.number()),
  ToPort: v.optional(v.number()),
  CidrIp: v.optional(v.string()),
  SourceSecurityGroupId: v.optional(v.string()),
})
type Opening = v.InferOutput<typeof Opening>

/** A line for each path that a function needs and does not have. */
export function missingPaths(assembly: Assembly, functions: ResolvedResource[], roles: Map<string, Role>): string[] {
  const openings = readOpenings(assembly)
  const vpcCidr = assembly.resources('AWS::EC2::VPC').map((vpc) => String(assembly.attribute(vpc, 'CidrBlock')))
  const natSubnets = subnetsWithNat(assembly)

  return functions.flatMap(({ logicalId, properties }) => {
    const { Role, VpcConfig, Environment } = v.parse(FunctionProperties, properties)
    const groups = VpcConfig?.SecurityGroupIds ?? []
    const mayLeave = (port: number, cidrs: string[]) =>
      groups.some((group) =>
        (openings.egress.get(group) ?? []).some((rule) => isOpen(rule, port) && cidrs.includes(rule.CidrIp ?? '')),
      )
    const reaches = (server: string[], port: number) =>
      mayLeave(port, [...vpcCidr, ANYWHERE]) &&
      server.some((group) =>
        (openings.ingress.get(group) ?? []).some(
          (rule) => isOpen(rule, port) && groups.includes(rule.SourceSecurityGroupId ?? ''),
        ),
      )

    const variables = Object.keys(Environment.Variables)
    const missing: string[] = []
    if (
      variables.some((name) => ['PGHOST', 'DATABASE_SECRET_ARN'].includes(name)) &&
      !reaches(postgres(assembly), 5432)
    )
      missing.push('Postgres')
    if (variables.includes('REDIS_URL') && !reaches(redis(assembly), 6379)) missing.push('Redis')
    const callsServices =
      variables.includes('FIREBASE_PROJECT_ID') ||
      roles
        .get(Role)
        ?.statements.some(({ actions }) => actions.some((action) => !NOT_CALLED.includes(serviceOf(action))))
    const reachesInternet =
      VpcConfig === undefined ||
      (mayLeave(HTTPS, [ANYWHERE]) && VpcConfig.SubnetIds.every((subnet) => natSubnets.has(subnet)))
    if (callsServices && !reachesInternet) missing.push('HTTPS outside its network (NAT, port 443)')
    return missing.map((what) => `Function ${logicalId} cannot reach ${what}`)
  })
}

const serviceOf = (action: string) => action.split(':')[0]!

const isOpen = ({ IpProtocol, FromPort = 0, ToPort = 65_535 }: Opening, port: number) =>
  IpProtocol === '-1' || (IpProtocol === 'tcp' && FromPort <= port && port <= ToPort)

/** By group id. */
function readOpenings(assembly: Assembly) {
  const egress = new Map<string, Opening[]>()
  const ingress = new Map<string, Opening[]>()
  const add = (to: Map<string, Opening[]>, group: unknown, rules: unknown) =>
    to.set(String(group), [...(to.get(String(group)) ?? []), ...v.parse(v.array(Opening), rules)])
  for (const group of assembly.resources('AWS::EC2::SecurityGroup')) {
    const id = assembly.attribute(group, 'GroupId')
    add(egress, id, group.properties.SecurityGroupEgress ?? [])
    add(ingress, id, group.properties.SecurityGroupIngress ?? [])
  }
  for (const { properties } of assembly.resources('AWS::EC2::SecurityGroupEgress'))
    add(egress, properties.GroupId, [properties])
  for (const { properties } of assembly.resources('AWS::EC2::SecurityGroupIngress'))
    add(ingress, properties.GroupId, [properties])
  return { egress, ingress }
}

function subnetsWithNat(assembly: Assembly): Set<unknown> {
  const tables = assembly
    .resources('AWS::EC2::Route')
    .filter(({ properties }) => properties.DestinationCidrBlock === ANYWHERE && properties.NatGatewayId !== undefined)
    .map(({ properties }) => properties.RouteTableId)
  return new Set(
    assembly
      .resources('AWS::EC2::SubnetRouteTableAssociation')
      .filter(({ properties }) => tables.includes(properties.RouteTableId))
      .map(({ properties }) => properties.SubnetId),
  )
}

const groupsOf = (assembly: Assembly, type: string, property: string) =>
  assembly.resources(type).flatMap(({ properties }) => v.parse(v.array(v.string()), properties[property]))
const postgres = (assembly: Assembly) => groupsOf(assembly, 'AWS::RDS::DBInstance', 'VPCSecurityGroups')
const redis = (assembly: Assembly) => groupsOf(assembly, 'AWS::ElastiCache::ReplicationGroup', 'SecurityGroupIds')
