import type { SESv2Client } from '@aws-sdk/client-sesv2'
import type { Kysely } from 'kysely'
import type { WebhookBody } from '../../schemas/alarm-requests.ts'
import { type Delivery, findMailReceiver, findWebhook, noteAttempt, readDelivery } from '../data/alarm-deliveries.ts'
import type { Database } from '../data/database.ts'
import { openSecret } from '../runtime/seal-secret.ts'
import { mailOf, sendMail } from './mail.ts'
import { standardMessage } from './standard-message.ts'
import { callWebhook, type Reach } from './webhook.ts'

export interface Channels {
  db: Kysely<Database>
  ses: SESv2Client
  mailFrom: string
  /** Origin of the page; empty: mails do not lead there. */
  pageUrl: string
  webhookKey: () => Promise<Buffer>
  reach: Reach
}

/**
 * Tells one receiver. Rejects when it has to be tried again. A crash between telling and noting tells twice: a webhook's requests
 * bear the same id.
 */
export async function deliver(channels: Channels, item: { outboxId: string; target: string }): Promise<void> {
  const { db } = channels
  const delivery = await readDelivery(db, item.outboxId, item.target)
  if (delivery === undefined) return
  let isTold: boolean
  try {
    isTold = await tell(channels, delivery)
  } catch (error) {
    await noteAttempt(db, item, { state: 'due', error: (error as Error).message.slice(0, 300) })
    throw error
  }
  await noteAttempt(db, item, { state: isTold ? 'done' : 'dropped', error: null })
}

/** False when the receiver is gone. */
async function tell({ db, ses, mailFrom, pageUrl, webhookKey, reach }: Channels, delivery: Delivery): Promise<boolean> {
  const [kind, id] = delivery.target.split(':') as ['user' | 'webhook', string]
  if (kind === 'user') {
    const receiver = await findMailReceiver(db, id)
    if (receiver === undefined) return false
    await sendMail(ses, mailFrom, receiver.email, mailOf(delivery, receiver.locale, pageUrl))
    return true
  }
  const webhook = await findWebhook(db, id)
  if (webhook === undefined) return false
  const secret = openSecret(await webhookKey(), webhook.id, webhook.sealedSecret)
  await callWebhook({ url: webhook.url, secret, id: delivery.outboxId, body: bodyOf(delivery) }, reach)
  return true
}

const bodyOf = ({ type, createdAt, tenant, plant, alarm, withheld }: Delivery): WebhookBody => ({
  type: type === 'test' ? 'test' : `alarm.${type}`,
  timestamp: createdAt,
  tenant,
  plant: plant?.slug ?? null,
  alarm: alarm && { ...alarm, message: alarm.message ?? standardMessage(alarm, plant?.name ?? null, 'en') },
  ...(withheld !== null && { withheld: { low: 0, medium: 0, high: 0, critical: 0, ...withheld } }),
})
