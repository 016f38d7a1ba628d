/** SES, as far as it is called: a mail is kept in a file and shown, never sent. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import * as v from 'valibot'

/** https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html */
export const SEND_MAIL = '/v2/email/outbound-emails'

const Text = v.object({ Data: v.string() })
const SendEmail = v.object({
  FromEmailAddress: v.string(),
  Destination: v.object({ ToAddresses: v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(50)) }),
  Content: v.object({ Simple: v.object({ Subject: Text, Body: v.object({ Text }) }) }),
})

interface Mail {
  id: string
  at: number
  from: string
  to: string[]
  subject: string
  text: string
}

/** Takes mails, and shows them newest first at `/local/mails`, as JSON. */
export function serveMailbox(app: FastifyInstance, file: string): void {
  app.post(SEND_MAIL, (request, reply) => {
    const parsed = v.safeParse(SendEmail, JSON.parse(String(request.body)))
    if (!parsed.success)
      return reply
        .code(400)
        .header('x-amzn-errortype', 'BadRequestException')
        .send({ message: `local/ does not know this mail: ${v.summarize(parsed.issues)}` })
    const { FromEmailAddress: from, Destination, Content } = parsed.output
    const mail: Mail = {
      ...{ id: randomUUID(), at: Date.now(), from, to: Destination.ToAddresses },
      ...{ subject: Content.Simple.Subject.Data, text: Content.Simple.Body.Text.Data },
    }
    appendFileSync(file, `${JSON.stringify(mail)}\n`)
    return reply.send({ MessageId: mail.id })
  })
  app.get('/local/mails', () => readMails(file).toReversed())
}

const readMails = (file: string): Mail[] =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Mail)
    : []
