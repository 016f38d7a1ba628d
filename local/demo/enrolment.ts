/**
 * Enrols a demo gateway by the agent's own command. It may be ended at any moment and done again: the token is kept until the
 * identity is on the disk, and for the same token and key the cloud gives the same certificate.
 */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import * as v from 'valibot'
import { CreatedGateway } from '../../schemas/api.ts'
import { type ApiSession, request } from './api-session.ts'

const run = promisify(execFile)
const CONFLICT = 409
/** The cloud keeps a gateway locked for half a minute when it was itself ended while it changed it. */
const PATIENCE_MS = 45_000
const PAUSE_MS = 1_000

export interface EnrolmentOptions {
  /** Keeps the token. */
  folder: string
  agent: string
  configFile: string
  thingName: string
  plantId: string | undefined
  session: ApiSession
  signal: AbortSignal
}

export async function enrol({
  folder,
  agent,
  configFile,
  session,
  signal,
  ...gateway
}: EnrolmentOptions): Promise<void> {
  const tokenFile = join(folder, 'enrolment-token')
  const enrolWith = (token: string) =>
    run(process.execPath, [agent, 'enroll', '--config', configFile, '--url', session.apiUrl, '--token', token], {
      signal,
    })
  const freshToken = async () => {
    const { enrolment } = await unlessBusy(() => createGateway(session, gateway), signal)
    writeFileSync(tokenFile, enrolment.token, { mode: 0o600, flush: true })
    return enrolment.token
  }
  const kept = existsSync(tokenFile) ? readFileSync(tokenFile, 'utf8') : undefined
  try {
    await unlessBusy(async () => enrolWith(kept ?? (await freshToken())), signal)
  } catch (error) {
    // Exit code 2: the token is too old, or was not written whole.
    if (kept === undefined || (error as { code?: unknown }).code !== 2) throw error
    const token = await freshToken()
    await unlessBusy(() => enrolWith(token), signal)
  }
  rmSync(tokenFile)
}

class Busy extends Error {}

async function createGateway(
  session: ApiSession,
  body: { thingName: string; plantId: string | undefined },
  isRetry = false,
): Promise<CreatedGateway> {
  const answer = await request(session, 'POST', '/v1/gateways', body)
  if (answer.status === CONFLICT && answer.headers.has('retry-after')) throw new Busy(await answer.text())
  if (answer.status === CONFLICT && !isRetry) {
    // Enrolled, but its certificate is not here, and the token of then is too old: as for a gateway whose disk is lost.
    const revoked = await request(session, 'POST', `/v1/gateways/${body.thingName}/revoke`)
    if (revoked.ok) return createGateway(session, body, true)
    throw new Error(`POST /v1/gateways/${body.thingName}/revoke answered ${revoked.status}: ${await revoked.text()}`)
  }
  if (!answer.ok) throw new Error(`POST /v1/gateways answered ${answer.status}: ${await answer.text()}`)
  return v.parse(CreatedGateway, await answer.json())
}

/** Tries again while the gateway is locked. */
async function unlessBusy<Result>(attempt: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      const isBusy =
        error instanceof Busy || String((error as { stderr?: unknown }).stderr).includes(`${CONFLICT} conflict`)
      if (!isBusy || Date.now() > end) throw error
      await sleep(PAUSE_MS, undefined, { signal })
    }
  }
}
