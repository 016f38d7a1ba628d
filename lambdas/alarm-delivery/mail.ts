import { SendEmailCommand, type SESv2Client } from '@aws-sdk/client-sesv2'
import type { Alarm, Severity } from '../../schemas/alarms.ts'
import type { Delivery } from '../data/alarm-deliveries.ts'
import { type Locale, standardMessage } from './standard-message.ts'

const SEVERITIES: Record<Locale, Record<Severity, string>> = {
  en: { low: 'Low', medium: 'Medium', high: 'High', critical: 'Critical' },
  es: { low: 'Baja', medium: 'Media', high: 'Alta', critical: 'Crítica' },
}

const TEXTS = {
  en: {
    cleared: 'Ended',
    flood: (count: number, plant: string) => `${count} more alarms in ${plant}`,
    floodBody: 'So many alarms came at once that they were not sent one by one:',
    plant: 'Plant',
    rule: 'Rule',
    raised: 'Raised',
    ended: 'Ended',
    footer: 'You chose to be told of alarms by mail; change it in the app, under your profile.',
  },
  es: {
    cleared: 'Terminada',
    flood: (count: number, plant: string) => `${count} alarmas más en ${plant}`,
    floodBody: 'Llegaron tantas alarmas a la vez que no se enviaron una por una:',
    plant: 'Planta',
    rule: 'Regla',
    raised: 'Inicio',
    ended: 'Fin',
    footer: 'Usted eligió recibir alarmas por correo; puede cambiarlo en la aplicación, en su perfil.',
  },
}

export interface Mail {
  subject: string
  text: string
}

/**
 * Plain text: it is read on every telephone, and nothing in it can be more than text. `pageUrl`: origin of the page; empty: there is no link.
 */
export function mailOf(delivery: Delivery, locale: Locale | null, pageUrl: string): Mail {
  const language = locale ?? 'en'
  const plant = delivery.plant!
  const { subject, lines } =
    delivery.alarm === null
      ? floodMail(language, plant.name, delivery.withheld ?? {})
      : alarmMail(language, plant, delivery.alarm, delivery.type)
  const link = pageUrl === '' ? [] : ['', `${pageUrl}${pathOf(plant.slug, delivery.alarm)}`]
  return { subject: oneLine(subject), text: [...lines, ...link, '', TEXTS[language].footer].join('\n') }
}

/** Where the page shows what a mail tells of. All of it are slugs. */
function pathOf(plant: string, alarm: Alarm | null): string {
  return alarm?.machine ? `/plants/${plant}/machines/${alarm.machine}` : `/alarms?plant=${plant}`
}

interface Draft {
  subject: string
  lines: string[]
}

function alarmMail(language: Locale, plant: NonNullable<Delivery['plant']>, alarm: Alarm, type: string): Draft {
  const texts = TEXTS[language]
  const severity = SEVERITIES[language][alarm.severity]
  const time = (at: number) =>
    new Intl.DateTimeFormat(language, { timeZone: plant.timeZone, dateStyle: 'medium', timeStyle: 'long' }).format(at)
  const message = alarm.message ?? standardMessage(alarm, plant.name, language)
  const lines = [
    message,
    '',
    `${texts.plant}: ${plant.name}`,
    `${texts.rule}: ${alarm.ruleName} (${severity})`,
    `${texts.raised}: ${time(alarm.raisedAt)}`,
    ...(alarm.clearedAt === null ? [] : [`${texts.ended}: ${time(alarm.clearedAt)}`]),
  ]
  return {
    subject: `[${type === 'cleared' ? texts.cleared : severity}] ${message}`,
    lines,
  }
}

function floodMail(language: Locale, plant: string, withheld: Partial<Record<Severity, number>>): Draft {
  const texts = TEXTS[language]
  const counts = Object.entries(withheld) as [Severity, number][]
  const total = counts.reduce((sum, [, count]) => sum + count, 0)
  const lines = counts.map(([severity, count]) => `${SEVERITIES[language][severity]}: ${count}`)
  return {
    subject: texts.flood(total, plant),
    lines: [texts.floodBody, '', ...lines],
  }
}

/** A header is one line, and mail programs show no more than some 100 characters of it. */
const oneLine = (text: string) => text.replace(/\s+/g, ' ').slice(0, 200)

/** Rejects when SES does not take it. */
export async function sendMail(ses: SESv2Client, from: string, to: string, { subject, text }: Mail): Promise<void> {
  await ses.send(
    new SendEmailCommand({
      FromEmailAddress: from,
      Destination: { ToAddresses: [to] },
      Content: {
        Simple: { Subject: { Data: subject, Charset: 'UTF-8' }, Body: { Text: { Data: text, Charset: 'UTF-8' } } },
      },
    }),
  )
}
