import { expect, it } from 'vitest'
import { RulesEngine } from '../../../local/iot/rules.ts'
import type { Queue } from '../../../local/sqs/queue-server.ts'

function queue(name: string, fails = false): { queue: Queue; bodies: unknown[] } {
  const bodies: unknown[] = []
  const enqueue = ({ body }: { body: string }) => {
    if (fails) throw new Error('disk full')
    bodies.push(JSON.parse(body))
  }
  return { queue: { name, enqueue } as unknown as Queue, bodies }
}

const sql = "SELECT encode(*, 'base64') AS payload, clientid() AS clientId FROM 'factory/+/telemetry'"
const message = { topic: 'factory/m/telemetry', payload: Buffer.from('x'), clientId: 'gw-1' }

it('puts a publish on the queue of each rule that matches', () => {
  const [here, elsewhere] = [queue('here'), queue('elsewhere')]
  const rules = new RulesEngine([
    { name: 'a', sql, target: here.queue, errorTarget: undefined },
    { name: 'b', sql: sql.replace('factory', 'ops'), target: elsewhere.queue, errorTarget: undefined },
  ])
  rules.run(message)
  expect(here.bodies).toEqual([{ payload: 'eA==', clientId: 'gw-1' }])
  expect(elsewhere.bodies).toEqual([])
})

it('tells the error queue of an action that failed, with the untouched payload', () => {
  const errors = queue('errors')
  new RulesEngine([{ name: 'a', sql, target: queue('here', true).queue, errorTarget: errors.queue }]).run(message)
  expect(errors.bodies).toMatchObject([
    {
      ruleName: 'a',
      topic: message.topic,
      clientId: 'gw-1',
      base64OriginalPayload: 'eA==',
      failures: [{ failedAction: 'SqsAction', failedResource: 'here', errorMessage: 'Error: disk full' }],
    },
  ])
})

it('takes no message that it could store nowhere: the gateway must send it again', () => {
  const rules = new RulesEngine([{ name: 'a', sql, target: queue('here', true).queue, errorTarget: undefined }])
  expect(() => rules.run(message)).toThrow('disk full')
})
