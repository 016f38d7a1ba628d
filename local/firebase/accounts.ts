/** Accounts of the local Firebase Auth, kept in one file. */
import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import * as v from 'valibot'

const Account = v.object({
  localId: v.string(),
  email: v.string(),
  emailVerified: v.boolean(),
  displayName: v.optional(v.string()),
  disabled: v.boolean(),
  /** `salt:hash`, hex; absent until the person has set one. */
  password: v.optional(v.string()),
  /** Epoch seconds: tokens of earlier sign-ins are void. */
  validSince: v.number(),
  /** Epoch ms. */
  createdAt: v.number(),
  customAttributes: v.optional(v.string()),
  lastLoginAt: v.optional(v.number()),
})
export type Account = v.InferOutput<typeof Account>

export class AuthError extends Error {
  readonly code: string
  /** One of Firebase's own codes: the SDKs know their meaning. */
  constructor(code: string) {
    super(code)
    this.code = code
  }
}

export interface AccountChange {
  email?: string | undefined
  password?: string | undefined
  displayName?: string | undefined
  emailVerified?: boolean | undefined
  disabled?: boolean | undefined
  customAttributes?: string | undefined
  validSince?: number | undefined
}

const SHORTEST_PASSWORD = 6

export class Accounts {
  readonly #file: string
  readonly #byId: Map<string, Account>
  /** Codes in password reset mails, and whose they are. Gone at a restart. */
  readonly #resetCodes = new Map<string, string>()

  constructor(file: string) {
    this.#file = file
    const saved = existsSync(file) ? v.parse(v.array(Account), JSON.parse(readFileSync(file, 'utf8'))) : []
    this.#byId = new Map(saved.map((account) => [account.localId, account]))
  }

  all(): Account[] {
    return [...this.#byId.values()]
  }

  find(localId: string): Account | undefined {
    return this.#byId.get(localId)
  }

  findByEmail(email: string): Account | undefined {
    return this.all().find((account) => account.email === email.toLowerCase())
  }

  create(email: string, change: AccountChange, localId = randomBytes(14).toString('hex')): Account {
    if (this.findByEmail(email)) throw new AuthError('EMAIL_EXISTS')
    if (this.#byId.has(localId)) throw new AuthError('DUPLICATE_LOCAL_ID')
    const now = Date.now()
    const validSince = Math.floor(now / 1000)
    const account = {
      localId,
      email: email.toLowerCase(),
      emailVerified: false,
      disabled: false,
      validSince,
      createdAt: now,
    }
    this.#byId.set(localId, account)
    return this.change(localId, change)
  }

  change(localId: string, { password, email, ...rest }: AccountChange): Account {
    const account = this.#byId.get(localId)
    if (!account) throw new AuthError('USER_NOT_FOUND')
    if (email !== undefined) {
      const holder = this.findByEmail(email)
      if (holder && holder !== account) throw new AuthError('EMAIL_EXISTS')
      account.email = email.toLowerCase()
    }
    if (password !== undefined) {
      if (password.length < SHORTEST_PASSWORD)
        throw new AuthError(`WEAK_PASSWORD : Password should be at least ${SHORTEST_PASSWORD} characters`)
      account.password = hash(password, randomBytes(16))
      account.validSince = Math.floor(Date.now() / 1000)
    }
    const given = Object.entries<unknown>(rest).filter(([, value]) => value !== undefined)
    Object.assign(account, Object.fromEntries(given))
    this.#save()
    return account
  }

  delete(localId: string): void {
    if (!this.#byId.delete(localId)) throw new AuthError('USER_NOT_FOUND')
    this.#save()
  }

  signIn(email: string, password: string): Account {
    const account = this.findByEmail(email)
    // One answer for both, so that nobody can try out who has an account.
    if (!account?.password || !isSame(password, account.password)) throw new AuthError('INVALID_LOGIN_CREDENTIALS')
    if (account.disabled) throw new AuthError('USER_DISABLED')
    account.lastLoginAt = Date.now()
    this.#save()
    return account
  }

  newResetCode(email: string): string {
    const account = this.findByEmail(email)
    if (!account) throw new AuthError('EMAIL_NOT_FOUND')
    const code = randomBytes(24).toString('base64url')
    this.#resetCodes.set(code, account.localId)
    return code
  }

  /** Without a password the code is only checked. */
  reset(code: string, newPassword: string | undefined): Account {
    const account = this.#byId.get(this.#resetCodes.get(code) ?? '')
    if (!account) throw new AuthError('INVALID_OOB_CODE')
    if (newPassword === undefined) return account
    this.#resetCodes.delete(code)
    return this.change(account.localId, { password: newPassword, emailVerified: true })
  }

  #save(): void {
    writeFileSync(`${this.#file}.new`, JSON.stringify(this.all(), null, 2), { mode: 0o600 })
    renameSync(`${this.#file}.new`, this.#file)
  }
}

const hash = (password: string, salt: Buffer) =>
  `${salt.toString('hex')}:${scryptSync(password, salt, 32).toString('hex')}`

function isSame(password: string, stored: string): boolean {
  const salt = Buffer.from(stored.split(':')[0]!, 'hex')
  return timingSafeEqual(Buffer.from(hash(password, salt)), Buffer.from(stored))
}
