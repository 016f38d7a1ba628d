import type { ExportWorkItem } from '../../schemas/exports.ts'
import { sendMessages } from '../runtime/send-messages.ts'
import type { Services } from './services.ts'

/** Best effort: who looks at an export that nobody has begun asks once more. */
export async function askForExport({ sqs, exportQueueUrl }: Services, item: ExportWorkItem): Promise<void> {
  await sendMessages(sqs, exportQueueUrl, [{ outgoing: { MessageBody: JSON.stringify(item) } }])
}
