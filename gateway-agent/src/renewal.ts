import { sign, X509Certificate } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import * as v from 'valibot'
import { Enrolment, IdentityState } from '../../schemas/api.ts'
import { signedText } from '../../schemas/identity.ts'
import type { Agent } from './agent.ts'
import { Backoff } from './backoff.ts'
import { askCloud, isKeyRefused } from './cloud-api.ts'
import { messageOf } from './failure.ts'
import { GatewayPlace, identityFiles, telemetryTopicOf, type Identity } from './identity.ts'
import { discardNewIdentity, keepNewIdentity, keepPlace, putNewIdentityInForce } from './replace-identity.ts'

/**
 * How often the cloud is asked what it wants of this gateway, give or take a fifth: gateways must not all ask at once. What
 * a person wants of it begins within five minutes.
 */
const ASK_EVERY_MS = 240_000
const FIRST_WITHIN_MS = 3000
/** What ends a session may be a move: the broker then refuses the topics of before. */
const AFTER_LOSS_MS = { least: 2000, most: 10_000 }
const RETRY = { firstMs: 10_000, longestMs: ASK_EVERY_MS }
/** A broker that refuses the new certificate may not have heard of it yet (AWS IoT takes up to 8 minutes for a policy). */
const TRIAL = { firstMs: 60_000, longestMs: 3_600_000 }
const DAY_MS = 86_400_000
/** An authority may give the next certificate the same end as the last: age alone is a reason once a day at most. */
const LEAST_AGE_MS = DAY_MS

/**
 * Whether a certificate should be replaced because of its age: when a third of its lifetime is left, and not before its
 * last 30 days. Those that AWS IoT makes of a signing request all end on 2049-12-31, those of another authority sooner.
 */
export function endsSoon(certificatePem: string, now: number): boolean {
  const { validFrom, validTo } = new X509Certificate(certificatePem)
  const end = Date.parse(validTo)
  return end - now < Math.min((end - Date.parse(validFrom)) / 3, 30 * DAY_MS)
}

/** For `status`. Times in epoch ms. */
export interface RenewalStatus {
  /**
   * `requested`: a new certificate is asked for. `received`: it is on the disk, and the broker has to take it. `proven`: the
   * broker takes what is published by it, and the cloud has to end the old one.
   */
  state: 'none' | 'requested' | 'received' | 'proven'
  /** When the cloud last answered. */
  askedAt: number | null
  /** Why it could not be asked, or what was asked could not be done. */
  fault: string | null
}

/**
 * Keeps this gateway's identity as the cloud wants it: asks whether its certificate is to be replaced and where it stands
 * now. The gateway cannot subscribe (its policy lets it publish only), so it asks over HTTPS, signed with the key of its certificate.
 *
 *   in force -> key and request on disk -> certificate on disk -> the broker takes it -> the cloud has ended the old one -> in force
 *
 * Until the last step both identities are on the disk and good: a connection is tried with the new one first, then with the
 * old one. Each step can be done again, so a process that is killed anywhere goes on where it was.
 */
export class Renewal {
  readonly #agent: Agent
  #proven: unknown
  #isRequested = false
  #askedAt: number | null = null
  #fault: string | null = null
  readonly #retry = new Backoff(RETRY)
  readonly #trial = new Backoff(TRIAL)
  #nextTrialMs = 0
  #renewedMs = -Infinity
  readonly #stopping = new AbortController()
  #waiting = new AbortController()
  #lossTimer: NodeJS.Timeout | undefined
  readonly #ended: Promise<void>

  constructor(agent: Agent) {
    this.#agent = agent
    const { connection } = agent
    connection.onProven((identity) => {
      this.#proven = identity
      if (identity === agent.next) this.#waiting.abort()
    })
    connection.onSession((session) => {
      clearTimeout(this.#lossTimer)
      if (session || this.#stopping.signal.aborted) return
      const { least, most } = AFTER_LOSS_MS
      this.#lossTimer = setTimeout(() => this.#waiting.abort(), least + Math.random() * (most - least))
    })
    this.#ended = this.#run()
  }

  get status(): RenewalStatus {
    const { next } = this.#agent
    const present = this.#isRequested ? 'requested' : 'none'
    const coming = this.#proven === next ? 'proven' : 'received'
    return { state: next ? coming : present, askedAt: this.#askedAt, fault: this.#fault }
  }

  /** Does not wait for the next time, nor for the next trial of a new certificate. */
  askNow(): void {
    this.#nextTrialMs = 0
    this.#waiting.abort()
  }

  async stop(): Promise<void> {
    clearTimeout(this.#lossTimer)
    this.#stopping.abort(new Error('the agent stops'))
    await this.#ended
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    let waitMs = Math.random() * FIRST_WITHIN_MS
    while (!signal.aborted) {
      const isWoken = AbortSignal.any([signal, this.#waiting.signal])
      await sleep(waitMs, true, { signal: isWoken }).catch(() => false)
      // Read anew: the wait may have ended because of it.
      if (this.#stopping.signal.aborted) return
      // Renewed before the work: what happens meanwhile is looked at after it.
      this.#waiting = new AbortController()
      waitMs = await this.#work()
    }
  }

  /** Returns how long to wait until the next time. */
  async #work(): Promise<number> {
    const { next, log } = this.#agent
    try {
      if (next && this.#proven === next) await this.#confirm(next)
      await this.#check()
      this.#fault = null
      this.#retry.reset()
      log.settled('cloud')
      return ASK_EVERY_MS * (0.8 + Math.random() * 0.4)
    } catch (error) {
      if (this.#stopping.signal.aborted) return 0
      this.#fault = messageOf(error)
      log.warnOften('cloud', `cloud: ${this.#fault}`)
      return this.#retry.nextMs()
    }
  }

  async #check(): Promise<void> {
    const { identity, log } = this.#agent
    const state = await this.#ask('check', identity, IdentityState)
    this.#takePlace(state)
    const reason =
      state.rotate || state.lifecycle === 'rotating'
        ? 'the cloud asks for it'
        : endsSoon(identity.certificatePem, Date.now()) && performance.now() - this.#renewedMs > LEAST_AGE_MS
          ? `the present one ends at ${new X509Certificate(identity.certificatePem).validTo}`
          : undefined
    if (!reason) {
      this.#giveUp()
      return
    }
    if (this.#agent.next && performance.now() < this.#nextTrialMs) return
    if (!this.#isRequested) log.info(`certificate: getting a new one: ${reason}`)
    this.#isRequested = true
    await this.#renew()
  }

  async #renew(): Promise<void> {
    const { configuration, identity, connection, log } = this.#agent
    const { dataDir } = configuration
    // Only now: it is memory.
    const { prepareSigningRequest } = await import('./signing-request.ts')
    const { privateKey, csr } = await prepareSigningRequest(identityFiles(dataDir, 'identity.new'))
    const answer = await this.#ask('renew', identity, Enrolment, csr).catch((error: unknown) => {
      if (isKeyRefused(error)) this.#discardNext()
      throw error
    })
    const next = keepNewIdentity(dataDir, identity.apiUrl, privateKey, answer)
    this.#agent.next = next
    this.#nextTrialMs = performance.now() + this.#trial.nextMs()
    log.info(`certificate: the new one is ${shortId(next)}; connecting with it`)
    connection.use([next, identity])
  }

  /** The broker takes the new certificate: the cloud ends the old one, and only then it is forgotten here. */
  async #confirm(next: Identity): Promise<void> {
    const { configuration, identity, connection, log } = this.#agent
    await this.#ask('confirm', next, v.undefined())
    putNewIdentityInForce(configuration.dataDir)
    this.#agent.identity = next
    this.#renewedMs = performance.now()
    this.#forgetNext()
    connection.use([next])
    log.info(`certificate: ${shortId(next)} is in force, and ${shortId(identity)} has ended`)
  }

  /** The cloud wants no new certificate any more. */
  #giveUp(): void {
    const { next, log } = this.#agent
    if (!next && !this.#isRequested) return
    this.#discardNext()
    log.info('certificate: the cloud wants no new one any more')
  }

  #discardNext(): void {
    const { configuration, identity, connection } = this.#agent
    discardNewIdentity(configuration.dataDir)
    this.#forgetNext()
    connection.use([identity])
  }

  #forgetNext(): void {
    this.#agent.next = undefined
    this.#isRequested = false
    this.#nextTrialMs = 0
    this.#trial.reset()
  }

  /**
   * A gateway that was moved publishes under its new topics from now on, what still waits in the outbox included: its policy
   * forbids the old ones. The will has a topic as well, so the session begins anew.
   */
  #takePlace(state: GatewayPlace): void {
    const { configuration, connection, outbox, log } = this.#agent
    const place = v.parse(GatewayPlace, state)
    if (isDeepStrictEqual(place, v.parse(GatewayPlace, this.#agent.identity))) return
    for (const { slug } of configuration.machines) telemetryTopicOf(place, slug)
    const isMoved = place.topics.telemetry !== this.#agent.identity.topics.telemetry
    outbox.declareTo(place.topics.telemetry)
    const keep = (folder: 'identity' | 'identity.new', identity: Identity) =>
      keepPlace(identityFiles(configuration.dataDir, folder), identity, place)
    const identity = keep('identity', this.#agent.identity)
    const next = this.#agent.next && keep('identity.new', this.#agent.next)
    Object.assign(this.#agent, { identity, next })
    connection.use(next ? [next, identity] : [identity])
    log.info(
      isMoved
        ? `moved to plant ${place.plant} (${place.province}): publishing to ${place.topics.telemetry}`
        : `the broker is at ${place.endpoint} now`,
    )
  }

  async #ask<T extends v.GenericSchema>(
    verb: 'check' | 'renew' | 'confirm',
    { apiUrl, thingName, certificateId, privateKey }: Identity,
    answer: T,
    csr?: string,
  ): Promise<v.InferOutput<T>> {
    const asked = { thingName, certificateId, ...(csr && { csr }) }
    const signature = sign('sha256', Buffer.from(signedText(verb, asked)), privateKey).toString('base64')
    const api = { url: apiUrl, proxy: this.#agent.configuration.proxy }
    const answered = await askCloud(api, `/v1/identity/${verb}`, { ...asked, signature }, answer, this.#stopping.signal)
    this.#askedAt = Date.now()
    return answered
  }
}

/** As the web application and the AWS console show it. */
const shortId = ({ certificateId }: Identity) => certificateId.slice(0, 12)
