/**
 * What each request to an AWS API is for IAM: its action and its resource, after the service authorization reference
 * (https://docs.aws.amazon.com/service-authorization/latest/reference/).
 */
import type { FastifyRequest } from 'fastify'
import { arn } from '../aws-identity.ts'
import { certificateArn, certificateIdOf, policyArn, thingArn } from '../iot/operations/arns.ts'
import { SEND_MAIL } from '../mailbox.ts'
import type { AwsCall } from './guard.ts'

const NO_RESOURCE = () => '*'
const certificate = (idOrArn: string) => certificateArn(certificateIdOf(idOrArn))
const ofBody = (name: string) => (_: string, request: FastifyRequest) =>
  certificate(String((JSON.parse(String(request.body)) as Record<string, unknown>)[name]))
const ofPrincipal = (_: string, request: FastifyRequest) => certificate(String(request.headers['x-amzn-principal']))

/** By method and route. */
const IOT: Record<string, [action: string, resource: (name: string, request: FastifyRequest) => string]> = {
  'GET /things': ['ListThings', NO_RESOURCE],
  'POST /things/:name': ['CreateThing', thingArn],
  'GET /things/:name': ['DescribeThing', thingArn],
  'DELETE /things/:name': ['DeleteThing', thingArn],
  'PUT /things/:name/principals': ['AttachThingPrincipal', ofPrincipal],
  'DELETE /things/:name/principals': ['DetachThingPrincipal', ofPrincipal],
  'GET /things/:name/principals': ['ListThingPrincipals', thingArn],
  'GET /policies': ['ListPolicies', NO_RESOURCE],
  'POST /policies/:name': ['CreatePolicy', policyArn],
  'GET /policies/:name': ['GetPolicy', policyArn],
  'DELETE /policies/:name': ['DeletePolicy', policyArn],
  'POST /policies/:name/version': ['CreatePolicyVersion', policyArn],
  'GET /policies/:name/version': ['ListPolicyVersions', policyArn],
  'DELETE /policies/:name/version/:version': ['DeletePolicyVersion', policyArn],
  'POST /policy-targets/:name': ['ListTargetsForPolicy', policyArn],
  'PUT /target-policies/:name': ['AttachPolicy', ofBody('target')],
  'POST /target-policies/:name': ['DetachPolicy', ofBody('target')],
  'POST /attached-policies/:name': ['ListAttachedPolicies', NO_RESOURCE],
  'POST /certificates': ['CreateCertificateFromCsr', NO_RESOURCE],
  'GET /certificates': ['ListCertificates', NO_RESOURCE],
  'GET /certificates/:name': ['DescribeCertificate', certificate],
  'PUT /certificates/:name': ['UpdateCertificate', certificate],
  'DELETE /certificates/:name': ['DeleteCertificate', certificate],
  'GET /endpoint': ['DescribeEndpoint', NO_RESOURCE],
  'DELETE /connections/:name': ['DeleteConnection', (clientId) => arn('iot', `client/${clientId}`)],
}

/** AWS IoT, Lambda, Secrets Manager and SES, which answer on one port. Undefined where no route is: that answers 404. */
export function awsCall(request: FastifyRequest): AwsCall | undefined {
  const { url } = request.routeOptions
  if (url === undefined || url.startsWith('/local/')) return undefined
  const { name = '' } = request.params as { name?: string }
  if (url.endsWith('/invocations'))
    return {
      action: 'lambda:InvokeFunction',
      resource: name.startsWith('arn:') ? name : arn('lambda', `function:${name}`),
    }
  if (url === '/') {
    const { SecretId } = JSON.parse(String(request.body)) as { SecretId?: string }
    return { action: `secretsmanager:${operationOf(request)}`, resource: String(SecretId) }
  }
  if (url === SEND_MAIL) return { action: 'ses:SendEmail', resource: senderIdentity(request) }
  const call = IOT[`${request.method} ${url}`]
  if (!call) throw new Error(`local/iam/calls.ts does not say which action ${request.method} ${url} is`)
  return { action: `iot:${call[0]}`, resource: call[1](name, request) }
}

/** That of the sender's domain. */
function senderIdentity(request: FastifyRequest): string {
  const { FromEmailAddress } = JSON.parse(String(request.body)) as { FromEmailAddress?: string }
  return arn('ses', `identity/${String(FromEmailAddress).split('@').at(-1)}`)
}

/** SQS, and S3 with the bucket in the path. */
export function sqsOrS3Call(request: FastifyRequest): AwsCall | AwsCall[] | undefined {
  const path = decodeURIComponent(request.url.split('?')[0]!)
  if (request.method === 'POST' && path === '/') {
    const { QueueUrl } = request.body as { QueueUrl?: string }
    // A batch needs the right of a single one.
    const action = `sqs:${operationOf(request).replace(/Batch$/, '')}`
    return { action, resource: QueueUrl === undefined ? '*' : arn('sqs', QueueUrl.split('/').at(-1)!) }
  }
  const [, bucket = '', ...key] = path.split('/')
  if (bucket === '' || bucket.startsWith('_') || path === '/health') return undefined
  const onBucket = key.join('') === ''
  const source = request.headers['x-amz-copy-source']
  const call = {
    action: onBucket ? BUCKET_ACTIONS[request.method]! : OBJECT_ACTIONS[request.method]!,
    resource: `arn:aws:s3:::${bucket}${onBucket ? '' : `/${key.join('/')}`}`,
  }
  if (source === undefined) return call
  return [
    call,
    { action: 's3:GetObject', resource: `arn:aws:s3:::${decodeURIComponent(String(source)).replace(/^\//, '')}` },
  ]
}

const BUCKET_ACTIONS: Record<string, string> = {
  GET: 's3:ListBucket',
  HEAD: 's3:ListBucket',
  POST: 's3:DeleteObject', // DeleteObjects names its keys in the body
  PUT: 's3:CreateBucket',
  DELETE: 's3:DeleteBucket',
}

/** The parts of a multipart upload need the right to put the object. */
const OBJECT_ACTIONS: Record<string, string> = {
  GET: 's3:GetObject',
  HEAD: 's3:GetObject',
  POST: 's3:PutObject',
  PUT: 's3:PutObject',
  DELETE: 's3:DeleteObject',
}

/** `@connections` of a WebSocket API, with or without its stage in the path. */
export const connectionsCall =
  ({ apiId, stage }: { apiId: string; stage: string }) =>
  (request: FastifyRequest): AwsCall | undefined => {
    if (!request.routeOptions.url?.includes('@connections')) return undefined
    const { id } = request.params as { id: string }
    return {
      action: 'execute-api:ManageConnections',
      resource: arn('execute-api', `${apiId}/${stage}/${request.method}/@connections/${id}`),
    }
  }

/** `AmazonSQS.SendMessage`, `secretsmanager.GetSecretValue`. */
const operationOf = (request: FastifyRequest) => String(request.headers['x-amz-target']).split('.').at(-1)!
