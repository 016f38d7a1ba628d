import type { Queue } from '../sqs/queue-server.ts'
import type { DataPoint } from './emf.ts'

type Put = (point: DataPoint) => void

/** What comes and goes is counted as it happens; call `sampleQueue` from time to time for what waits. */
export function countQueue(queue: Queue, put: Put): void {
  const count = (name: string, messages: number) => {
    if (messages > 0) put(pointOf(queue, name, messages))
  }
  const enqueue = queue.enqueue.bind(queue)
  queue.enqueue = (message) => {
    enqueue(message)
    count('NumberOfMessagesSent', 1)
  }
  const dequeue = queue.dequeue.bind(queue)
  queue.dequeue = (...how) => {
    const messages = dequeue(...how)
    count('NumberOfMessagesReceived', messages.length)
    return messages
  }
  const deleteMessage = queue.deleteMessage.bind(queue)
  queue.deleteMessage = (receiptHandle) => {
    const isDeleted = deleteMessage(receiptHandle)
    count('NumberOfMessagesDeleted', Number(isDeleted))
    return isDeleted
  }
}

/** `now`: epoch ms. */
export function sampleQueue(queue: Queue, now: number, put: Put): void {
  const waiting = queue.isFifo() ? [...queue.fifoMessages.values()].flat() : queue.messages
  const hidden = [...queue.inflightMessages.values()].map(({ message }) => message)
  const oldest = [...waiting, ...hidden].reduce((earliest, { sentTimestamp }) => Math.min(earliest, sentTimestamp), now)
  const sample = (name: string, value: number) => put({ ...pointOf(queue, name, value), at: now })
  sample('ApproximateNumberOfMessagesVisible', waiting.length)
  sample('ApproximateNumberOfMessagesNotVisible', hidden.length)
  sample('ApproximateAgeOfOldestMessage', Math.floor((now - oldest) / 1000))
}

const pointOf = ({ name: QueueName }: Queue, name: string, value: number): DataPoint => ({
  ...{ namespace: 'AWS/SQS', name, dimensions: { QueueName }, at: Date.now(), values: [value] },
})
