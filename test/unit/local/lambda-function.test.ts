import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type FunctionSettings, LambdaFunction } from '../../../local/lambda/function.ts'

const folder = mkdtempSync(join(tmpdir(), 'lambda-'))
const running: LambdaFunction[] = []
const lines: string[] = []

function lambda(code: string, settings: Partial<FunctionSettings> = {}): LambdaFunction {
  const file = join(folder, `${running.length}.mjs`)
  writeFileSync(file, code)
  const created = new LambdaFunction(
    {
      name: 'f',
      arn: 'arn:aws:lambda:us-east-1:000000000000:function:f',
      file,
      exportName: 'handler',
      environment: { GIVEN: 'yes' },
      memoryMb: 128,
      timeoutSec: 5,
      maxInstances: 2,
      ...settings,
    },
    (line) => lines.push(line),
  )
  running.push(created)
  return created
}

afterEach(() => Promise.all(running.map((one) => one.stop())))

describe('a function', () => {
  it('gets the event, its environment and a context', async () => {
    const { payload } = await lambda(`export const handler = (event, context) => ({
      event, given: process.env.GIVEN, home: process.env.HOME, name: context.functionName,
      left: context.getRemainingTimeInMillis() > 4000, id: context.awsRequestId.length })`).invoke({ a: 1 })
    expect(payload).toEqual({ event: { a: 1 }, given: 'yes', name: 'f', left: true, id: 36 })
  })
  it('reports what it throws, and lives on', async () => {
    const f = lambda(`let n = 0; export const handler = () => { if (n++ === 0) throw new TypeError('no'); return n }`)
    expect(await f.invoke({})).toMatchObject({
      functionError: 'Unhandled',
      payload: { errorType: 'TypeError', errorMessage: 'no' },
    })
    expect(await f.invoke({})).toEqual({ payload: 2 })
  })
  it('is ended at its time limit, and begins anew', async () => {
    const f = lambda(`let n = 0; export const handler = (e) => { n++; if (e.hang) for (;;); return n }`, {
      timeoutSec: 0.3,
    })
    expect(await f.invoke({ hang: true })).toMatchObject({ payload: { errorType: 'Sandbox.Timedout' } })
    expect(await f.invoke({})).toEqual({ payload: 1 })
  })
  it('is ended when it uses more memory than it may', async () => {
    const f = lambda(
      `export const handler = (e) => { const a = []; while (e.eat) a.push(new Array(1e5).fill({})); return 'fine' }`,
      { memoryMb: 32 },
    )
    expect(await f.invoke({ eat: true })).toMatchObject({ payload: { errorType: 'Runtime.OutOfMemory' } })
    expect(await f.invoke({})).toEqual({ payload: 'fine' })
  })
  it('reports a bundle that cannot be loaded', async () => {
    expect(await lambda(`throw new Error('broken bundle')`).invoke({})).toMatchObject({
      payload: { errorMessage: 'broken bundle' },
    })
  })
  it('handles one event at a time per instance, in as many instances as it may have', async () => {
    const f = lambda(`let busy = 0; export const handler = async () => { busy++
      await new Promise((done) => setTimeout(done, 50)); return busy-- }`)
    const results = await Promise.all([1, 2, 3, 4, 5].map((n) => f.invoke({ n })))
    expect(results).toEqual(results.map(() => ({ payload: 1 })))
  })
  it('takes no event and gives no answer of more than 6 MB', async () => {
    const f = lambda(`export const handler = ({ bytes, text }) => text?.length ?? 'x'.repeat(bytes)`)
    const most = 6 * 1024 * 1024
    expect(await f.invoke({ text: 'x'.repeat(most) })).toMatchObject({
      payload: { errorType: 'RequestTooLargeException' },
    })
    expect(await f.invoke({ bytes: most - 1 })).toMatchObject({
      payload: { errorType: 'Function.ResponseSizeTooLarge' },
    })
    expect(await f.invoke({ bytes: most - 2 })).toEqual({ payload: 'x'.repeat(most - 2) })
  })
  it('writes its lines to the log', async () => {
    await lambda(`export const handler = () => { console.log('seen in the log') }`).invoke({})
    await expect.poll(() => lines).toContain('seen in the log')
  })
})
