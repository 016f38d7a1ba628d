import { ArnFormat, Stack } from 'aws-cdk-lib'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { Construct } from 'constructs'

/**
 * The kind of resource of each action at AWS IoT's control plane; `*` where it has none, or none that is known beforehand:
 * https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html.
 */
const RESOURCES = {
  CreateThing: 'thing',
  DeleteThing: 'thing',
  DescribeThing: 'thing',
  ListThingPrincipals: 'thing',
  CreatePolicy: 'policy',
  CreatePolicyVersion: 'policy',
  DeletePolicy: 'policy',
  DeletePolicyVersion: 'policy',
  GetPolicy: 'policy',
  ListPolicyVersions: 'policy',
  ListTargetsForPolicy: 'policy',
  AttachPolicy: 'cert',
  DeleteCertificate: 'cert',
  DescribeCertificate: 'cert',
  DetachPolicy: 'cert',
  UpdateCertificate: 'cert',
  DeleteConnection: 'client',
  AttachThingPrincipal: '*',
  CreateCertificateFromCsr: '*',
  DescribeEndpoint: '*',
  DetachThingPrincipal: '*',
  ListCertificates: '*',
  ListPolicies: '*',
  ListThings: '*',
} as const
export type IotAction = keyof typeof RESOURCES

/** To take a gateway from AWS IoT, whatever is left of it: its connection, certificates, policy and Thing. */
export const END_GATEWAY = [
  'DeleteConnection',
  ...([
    'UpdateCertificate',
    'DetachPolicy',
    'DetachThingPrincipal',
    'DescribeCertificate',
    'DeleteCertificate',
  ] as const),
  ...(['ListPolicyVersions', 'DeletePolicyVersion', 'GetPolicy', 'DeletePolicy'] as const),
  ...(['DeleteThing', 'DescribeEndpoint', 'ListCertificates'] as const),
] as const satisfies IotAction[]

/** A statement for each kind of resource. */
export function mayDoAtIot(scope: Construct, actions: IotAction[]): PolicyStatement[] {
  const all = (resource: string) =>
    Stack.of(scope).formatArn({
      ...{ service: 'iot', resource, resourceName: '*', arnFormat: ArnFormat.SLASH_RESOURCE_NAME },
    })
  return [...Map.groupBy(actions, (action) => RESOURCES[action])].map(
    ([kind, ofKind]) =>
      new PolicyStatement({
        actions: ofKind.map((action) => `iot:${action}`),
        resources: [kind === '*' ? '*' : all(kind)],
      }),
  )
}
