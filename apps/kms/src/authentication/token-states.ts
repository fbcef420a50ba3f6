/**
 * What became of delegation tokens after they were issued. A token proves itself by its password; only a renewal or a cancellation is
 * deposited, under a handle made of the token's digest. Every instance sees it within the time that a state may be remembered.
 * @see docs/decisions/0061-delegation-tokens.md
 */
import { createHash } from 'node:crypto'
import { type Clock, DomainError, type Handle, formatUtcDate, parseHandle } from '@keyhsm/core'
import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { toBase32 } from '../zone-keys/handles.js'
import { isLostRace } from '../zone-keys/trustee-vault.js'
import type { Vault } from '../zone-keys/vault.js'
import type { DelegationToken } from './delegation-token.js'

const prefix = 'kms.t.'
const maxRemembered = 50_000
const maxRaces = 10
const batchSize = 90
const dayMs = 86_400_000

const StateField = Type.Object(
  {
    format: Type.Literal('keytrustee-kms token'),
    version: Type.Literal(1),
    cancelled: Type.Boolean(),
    /** Milliseconds since 1970. */
    expiresAt: Type.Integer(),
  },
  { additionalProperties: false },
)
const check = Compile(StateField)

export interface TokenState {
  readonly cancelled: boolean
  readonly expiresAt: number
}

interface Remembered extends TokenState {
  readonly revision: number
  readonly at: number
}

export interface TokenStatesOptions {
  readonly vault: Vault
  readonly clock: Clock
  /** How long a state is used without asking, in milliseconds. */
  readonly maxAgeMs: () => number
  /** From issue to the first expiry. */
  readonly renewIntervalMs: () => number
}

export class TokenStates {
  readonly #o: TokenStatesOptions
  readonly #remembered = new Map<string, Remembered>()

  constructor(options: TokenStatesOptions) {
    this.#o = options
  }

  /** @throws the codes of being unable to ask: a token whose state is not known is not accepted. */
  async stateOf(token: DelegationToken): Promise<TokenState> {
    const handle = handleOf(token)
    const known = this.#remembered.get(handle)
    const now = this.#o.clock.now().getTime()
    if (known && now - known.at < this.#o.maxAgeMs()) return known
    return this.#look(handle, token)
  }

  /** Prolongs the token as far as it goes; decided on its state now. @throws what `refuse` throws. */
  renew(token: DelegationToken, refuse: (state: TokenState) => void): Promise<TokenState> {
    return this.#change(token, (state) => {
      refuse(state)
      const { maxDate } = token.identifier
      const until = this.#o.clock.now().getTime() + this.#o.renewIntervalMs()
      return { cancelled: false, expiresAt: Math.min(maxDate, until) }
    })
  }

  /** @throws what `refuse` throws, e.g. because it is cancelled already. */
  cancel(token: DelegationToken, refuse: (state: TokenState) => void): Promise<TokenState> {
    return this.#change(token, (state) => {
      refuse(state)
      return { ...state, cancelled: true }
    })
  }

  /** Removes what is left of tokens that nobody can use any more; returns how many. */
  async sweep(): Promise<number> {
    // A day more than needed, so that clocks may differ.
    const today = formatUtcDate(new Date(this.#o.clock.now().getTime() - dayMs))
    const entries = await this.#o.vault.list(prefix)
    const over = entries.filter(
      ({ handle }) => handle.slice(prefix.length, prefix.length + 10) < today,
    )
    const handles = over.map(({ handle }) => handle as Handle)
    for (let from = 0; from < handles.length; from += batchSize)
      await this.#o.vault.write([], handles.slice(from, from + batchSize))
    return handles.length
  }

  async #change(
    token: DelegationToken,
    next: (state: TokenState) => TokenState,
  ): Promise<TokenState> {
    const handle = handleOf(token)
    for (let race = 0; race < maxRaces; race += 1) {
      const before = await this.#look(handle, token)
      const { cancelled, expiresAt } = next(before)
      const state = { format: 'keytrustee-kms token', version: 1, cancelled, expiresAt }
      const over = before.revision === 0 ? 'absent' : before.revision
      const content = Buffer.from(JSON.stringify(state))
      try {
        await this.#o.vault.write([{ handle, content, scope: 'service', over }])
        return { cancelled, expiresAt }
      } catch (error) {
        if (!isLostRace(error)) throw error
      } finally {
        this.#remembered.delete(handle)
      }
    }
    throw new DomainError('ERR_BUSY', 'the token is being changed by others', { retryAfterMs: 500 })
  }

  async #look(handle: Handle, token: DelegationToken): Promise<Remembered> {
    const at = this.#o.clock.now().getTime()
    const entry = await this.#o.vault.find(handle)
    const found: Remembered = entry
      ? { ...(await this.#read(handle)), at }
      : { cancelled: false, expiresAt: this.#firstExpiry(token), revision: 0, at }
    if (this.#remembered.size >= maxRemembered) this.#remembered.clear()
    this.#remembered.set(handle, found)
    return found
  }

  async #read(handle: Handle): Promise<Omit<Remembered, 'at'>> {
    const { content, revision } = await this.#o.vault.read(handle)
    const value = parseJson(content)
    if (!check.Check(value))
      throw new DomainError('ERR_INTEGRITY', 'the state of a token is damaged')
    return { cancelled: value.cancelled, expiresAt: value.expiresAt, revision }
  }

  #firstExpiry({ identifier: { issueDate, maxDate } }: DelegationToken): number {
    return Math.min(maxDate, issueDate + this.#o.renewIntervalMs())
  }
}

/** The day after which nobody needs it is in the handle, so that a sweep need not open anything. */
function handleOf({ identifier, identifierBytes }: DelegationToken): Handle {
  // Only called for tokens with a right password, whose dates we wrote.
  const day = formatUtcDate(new Date(identifier.maxDate))
  return parseHandle(
    `${prefix}${day}.${toBase32(createHash('sha256').update(identifierBytes).digest())}`,
  )
}

function parseJson(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString('utf8'))
  } catch {
    return undefined
  }
}
