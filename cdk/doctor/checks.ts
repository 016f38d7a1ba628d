/** What has to be so for a stage to work. A check gives what is wrong, each with what to do; nothing when all is well. */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:tls'
import { GetQueueAttributesCommand, paginateListQueues } from '@aws-sdk/client-sqs'
import * as v from 'valibot'
import type { Stage } from './stage.ts'

const TIMEOUT_MS = 10_000
const DAY_MS = 86_400_000
/** Those of AWS renew themselves two months before they end. */
const CERTIFICATE_DAYS = 21
/** More than consumers leave behind while they keep up. */
const MANY_MESSAGES = 10_000

export interface Check {
  what: string
  run: (stage: Stage) => Promise<string[]>
}

const Config = v.object({ firebase: v.object({ projectId: v.string(), apiKey: v.string() }) })
const Health = v.object({ status: v.string(), postgres: v.string(), redis: v.string() })

const ask = (url: string, init: RequestInit = {}) => fetch(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) })

export const CHECKS: Check[] = [
  { what: 'deployment', run: ({ faults }) => Promise.resolve(faults) },
  {
    what: 'web page',
    async run({ webUrl }) {
      const answer = await ask(webUrl)
      const isPage = answer.ok && (answer.headers.get('content-type') ?? '').startsWith('text/html')
      return isPage ? [] : [`${webUrl} answers ${answer.status} instead of the page: deploy the stack web`]
    },
  },
  {
    what: 'API',
    async run({ webUrl, apiUrl }) {
      // As the page does, through CloudFront, and as gateways do.
      const wrong = await Promise.all([webUrl, apiUrl].map((url) => healthOf(`${url}/v1/health`)))
      return wrong.flat()
    },
  },
  {
    what: 'live socket',
    async run({ realtimeUrl }) {
      const status = await upgradeStatus(realtimeUrl)
      // Without a ticket nobody gets in.
      return [401, 403].includes(status)
        ? []
        : [`${realtimeUrl} answers ${status} to a socket without a ticket, not 401 or 403`]
    },
  },
  {
    what: 'certificates',
    async run({ webUrl, apiUrl, realtimeUrl, mqtt }) {
      const addresses = [webUrl, apiUrl, realtimeUrl]
        .map((url) => new URL(url))
        .filter(({ protocol }) => /^(https|wss):$/.test(protocol))
        .map(({ hostname, port }) => ({ host: hostname, port: Number(port || 443) }))
      return (await Promise.all([...addresses, mqtt].map(certificateFault))).flat()
    },
  },
  { what: 'Firebase project', run: firebaseFaults },
  { what: 'queues', run: queueFaults },
  {
    what: 'alarms',
    async run({ alarms }) {
      const found = await alarms()
      if (found.length === 0) return ['there is no alarm at all: deploy --all']
      return found
        .filter(({ state }) => state === 'ALARM')
        .map(({ name }) => `"${name}" rings: see that heading of docs/runbook.md`)
    },
  },
]

async function healthOf(url: string): Promise<string[]> {
  const answer = await ask(url)
  const health = v.safeParse(Health, await answer.json().catch(() => undefined))
  if (!health.success) return [`${url} answers ${answer.status}, and not the health of the API: see the log of Api`]
  const { postgres, redis } = health.output
  return [
    ...(postgres === 'up' ? [] : [`${url}: the API does not reach Postgres`]),
    ...(redis === 'up' ? [] : [`${url}: the API does not reach Redis: nothing is live`]),
  ]
}

function upgradeStatus(socketUrl: string): Promise<number> {
  const url = new URL(socketUrl.replace(/^ws/, 'http'))
  const headers = {
    ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
    'sec-websocket-key': Buffer.alloc(16, 1).toString('base64'),
  }
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, { headers, timeout: TIMEOUT_MS })
  request.on('response', (response) => {
    response.resume()
    resolve(response.statusCode!)
  })
  request.on('upgrade', (_, socket) => {
    socket.destroy()
    resolve(101)
  })
  request.on('timeout', () => request.destroy(new Error('no answer in time')))
  request.on('error', reject)
  request.end()
  return promise
}

/** The name is checked, and who has signed it. A gateway's own certificate is asked for, which the handshake does without. */
function certificateFault({ host, port, caPem }: Stage['mqtt']): Promise<string[]> {
  const { promise, resolve } = Promise.withResolvers<string[]>()
  const socket = connect({
    host,
    port,
    ...(!/^[\d.]+$/.test(host) && { servername: host }),
    ...(caPem && { ca: caPem }),
  })
  const end = (faults: string[]) => {
    socket.destroy()
    resolve(faults)
  }
  socket.setTimeout(TIMEOUT_MS, () => end([`${host}:${port} gives no certificate in time`]))
  socket.on('error', (error: Error) => end([`${host}:${port}: ${error.message}`]))
  socket.on('secureConnect', () => {
    const days = (Date.parse(socket.getPeerCertificate().valid_to) - Date.now()) / DAY_MS
    end(days > CERTIFICATE_DAYS ? [] : [`the certificate of ${host}:${port} ends in ${Math.floor(days)} days`])
  })
  return promise
}

/** By a sign-in that cannot succeed: what Firebase refuses it for tells whether project, key and provider are as they must be. */
async function firebaseFaults({ webUrl, identityUrl }: Stage): Promise<string[]> {
  const { firebase } = v.parse(Config, await (await ask(`${webUrl}/config.json`)).json())
  const answer = await ask(`${identityUrl}/v1/accounts:signInWithPassword?key=${encodeURIComponent(firebase.apiKey)}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      email: 'doctor@iot-telemetry.example',
      password: 'not-a-password',
      returnSecureToken: true,
    }),
  })
  const refusal = v.safeParse(v.object({ error: v.object({ message: v.string() }) }), await answer.json())
  const message = refusal.success ? refusal.output.error.message : `an answer ${answer.status}`
  if (/^(INVALID_LOGIN_CREDENTIALS|EMAIL_NOT_FOUND|INVALID_PASSWORD)/.test(message)) return []
  const project = `the Firebase project ${firebase.projectId}`
  if (/PASSWORD_LOGIN_DISABLED|OPERATION_NOT_ALLOWED/.test(message))
    return [`${project} lets nobody sign in with e-mail and password: Authentication, Sign-in method`]
  return [
    `${project} is not to be had with its web API key: ${message}. Deploy with -c firebaseProjectId= -c firebaseApiKey=`,
  ]
}

async function queueFaults({ sqs, name }: Stage): Promise<string[]> {
  const faults: string[] = []
  let count = 0
  for await (const { QueueUrls = [] } of paginateListQueues(
    { client: sqs },
    { QueueNamePrefix: `iot-telemetry-${name}-`, MaxResults: 100 },
  )) {
    for (const QueueUrl of QueueUrls) {
      count += 1
      const { Attributes = {} } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['ApproximateNumberOfMessages', 'QueueArn'] }),
      )
      const waiting = Number(Attributes['ApproximateNumberOfMessages'])
      const queue = QueueUrl.split('/').at(-1)!
      const isOfDeadLetters = /DeadLetters|RuleErrors/.test(queue)
      if (isOfDeadLetters && waiting > 0)
        faults.push(`${queue} holds ${waiting} dead letters: docs/runbook.md has a heading for each queue`)
      if (!isOfDeadLetters && waiting > MANY_MESSAGES) faults.push(`${queue}: ${waiting} messages wait`)
    }
  }
  return count === 0 ? ['there are no queues of the stage: deploy --all'] : faults
}
