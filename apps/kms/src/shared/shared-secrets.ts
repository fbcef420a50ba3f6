/**
 * What all instances of one KMS must have in common, in one sealed deposit: the secrets that sign cookies and the master keys of
 * delegation tokens. Whoever finds a rotation due writes it, on condition that nobody else did; a secret is published well before
 * it is used first, so that every instance knows it by then.
 */
import { randomBytes } from 'node:crypto'
import { type Clock, DomainError, hasCode, parseHandle } from '@keyhsm/core'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { SingleFlight } from '../zone-keys/single-flight.js'
import { isLostRace } from '../zone-keys/trustee-vault.js'
import type { Vault } from '../zone-keys/vault.js'

const handle = parseHandle('kms.secrets')

const SecretField = Type.Object(
  {
    id: Type.Integer({ minimum: 1 }),
    /** Base64, 32 bytes. */
    secret: Type.String({ pattern: '^[A-Za-z0-9+/]{43}=$' }),
    /** Milliseconds since 1970: used for new signatures from here on, until a newer one begins. */
    from: Type.Integer(),
    /** Signatures are accepted until then. */
    until: Type.Integer(),
  },
  { additionalProperties: false },
)
export type SharedSecret = Static<typeof SecretField>

const DocumentField = Type.Object(
  {
    format: Type.Literal('keytrustee-kms secrets'),
    version: Type.Literal(1),
    cookies: Type.Array(SecretField, { maxItems: 1000 }),
    masterKeys: Type.Array(SecretField, { maxItems: 1000 }),
  },
  { additionalProperties: false },
)
export type SecretsDocument = Static<typeof DocumentField>
export type SecretKind = 'cookies' | 'masterKeys'

const check = Compile(DocumentField)

/** How long a secret of each kind signs, and how long its signatures are accepted after that. Milliseconds. */
export interface Rotation {
  readonly everyMs: number
  readonly acceptedMs: number
}

export interface SharedSecretsOptions {
  readonly vault: Vault
  readonly clock: Clock
  readonly rotation: () => Readonly<Record<SecretKind, Rotation>>
  /** How often an instance looks for what others wrote; a new secret is published twice as long before its first use. */
  readonly refreshMs: number
}

export class SharedSecrets {
  readonly #o: SharedSecretsOptions
  readonly #reads = new SingleFlight<SecretsDocument>()
  #document: SecretsDocument | undefined
  #revision = 0
  #checkedAt = Number.NEGATIVE_INFINITY

  constructor(options: SharedSecretsOptions) {
    this.#o = options
  }

  /** The secret that signs now. @throws the codes of being unable to ask, before it was ever read. */
  async signing(kind: SecretKind): Promise<SharedSecret> {
    const document = await this.#current()
    const found = signingAt(document[kind], this.#now())
    if (found) return found
    const rotated = signingAt((await this.refresh())[kind], this.#now())
    if (!rotated) throw new DomainError('ERR_UNAVAILABLE', 'no secret is in use now')
    return rotated
  }

  /** Every secret whose signatures are accepted now, newest first. */
  async accepted(kind: SecretKind): Promise<readonly SharedSecret[]> {
    const now = this.#now()
    return (await this.#current())[kind].filter(({ until }) => now <= until)
  }

  /** One secret by its id, also one that another instance published a moment ago. */
  async find(kind: SecretKind, id: number): Promise<SharedSecret | undefined> {
    const known = (await this.accepted(kind)).find((secret) => secret.id === id)
    if (known || this.#now() - this.#checkedAt < 1_000) return known
    await this.refresh()
    return (await this.accepted(kind)).find((secret) => secret.id === id)
  }

  /** Reads what others wrote and writes what is due. Call it from time to time. */
  refresh(): Promise<SecretsDocument> {
    return this.#reads.do(handle, async () => {
      for (;;) {
        const found = await this.#read()
        const checkedAt = this.#now()
        const next = rotate(found, this.#o.rotation(), {
          now: checkedAt,
          leadMs: 2 * this.#o.refreshMs,
        })
        if (next === found) {
          this.#document = found
          this.#checkedAt = checkedAt
          return found
        }
        await this.#write(next)
      }
    })
  }

  async #current(): Promise<SecretsDocument> {
    const age = this.#now() - this.#checkedAt
    if (!this.#document) return this.refresh()
    if (age >= this.#o.refreshMs)
      // What is known is good enough meanwhile; when the Trustee Server cannot be asked it stays so.
      this.refresh().catch(() => undefined)
    return this.#document
  }

  async #read(): Promise<SecretsDocument> {
    const entry = await this.#o.vault.find(handle)
    if (entry && entry.revision === this.#revision && this.#document) return this.#document
    this.#revision = 0
    if (!entry) return { format: 'keytrustee-kms secrets', version: 1, cookies: [], masterKeys: [] }
    const { content, revision } = await this.#o.vault.read(handle)
    this.#revision = revision
    return parseDocument(content)
  }

  async #write(next: SecretsDocument): Promise<void> {
    const content = Buffer.from(JSON.stringify(next))
    const over = this.#revision === 0 ? 'absent' : this.#revision
    try {
      await this.#o.vault.write([{ handle, content, scope: 'service', over }])
    } catch (error) {
      if (!isLostRace(error)) throw error
    }
    this.#document = undefined
  }

  #now(): number {
    return this.#o.clock.now().getTime()
  }
}

function parseDocument(content: Buffer): SecretsDocument {
  try {
    const value: unknown = JSON.parse(content.toString('utf8'))
    if (check.Check(value)) return value
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  } finally {
    content.fill(0)
  }
  throw new DomainError('ERR_INTEGRITY', 'the shared secrets are damaged')
}

/** The newest one that has begun. */
function signingAt(secrets: readonly SharedSecret[], now: number): SharedSecret | undefined {
  return secrets
    .filter(({ from, until }) => from <= now && now <= until)
    .sort((a, b) => b.from - a.from)[0]
}

/** The document with what is due now; the same object when nothing is. */
function rotate(
  document: SecretsDocument,
  rotation: Readonly<Record<SecretKind, Rotation>>,
  at: { readonly now: number; readonly leadMs: number },
): SecretsDocument {
  const cookies = rotateOne(document.cookies, rotation.cookies, at)
  const masterKeys = rotateOne(document.masterKeys, rotation.masterKeys, at)
  if (cookies === document.cookies && masterKeys === document.masterKeys) return document
  return { ...document, cookies, masterKeys }
}

function rotateOne(
  secrets: SharedSecret[],
  { everyMs, acceptedMs }: Rotation,
  { now, leadMs }: { readonly now: number; readonly leadMs: number },
): SharedSecret[] {
  // One that begins later than any could be published came from a clock that was wrong: nobody waits for it.
  const newest = secrets
    .filter(({ from }) => from <= now + leadMs + everyMs)
    .reduce((most, { from }) => Math.max(most, from), Number.NEGATIVE_INFINITY)
  // Nothing yet, or nothing for so long that all of it is over: the first one begins at once.
  const begins = signingAt(secrets, now) === undefined && newest <= now
  if (!begins && newest + everyMs > now + leadMs) return secrets
  const from = begins ? now : Math.max(now + leadMs, newest + everyMs)
  const id = secrets.reduce((most, secret) => Math.max(most, secret.id), 0) + 1
  const secret = randomBytes(32).toString('base64')
  const fresh = { id, secret, from, until: from + everyMs + acceptedMs + leadMs }
  return [fresh, ...secrets.filter(({ until }) => now <= until)]
}

/** True when the deposit exists: this is not the first instance. @throws the codes of being unable to ask. */
export async function hasSharedSecrets(vault: Vault): Promise<boolean> {
  return (await vault.find(handle)) !== undefined
}

/** Reads the deposit once. @throws ERR_SETTINGS when this instance cannot open it: it has other keys than the others. */
export async function proveSharedIdentity(vault: Vault): Promise<void> {
  try {
    await vault.read(handle)
  } catch (error) {
    if (!hasCode(error, 'ERR_INTEGRITY')) throw error
    throw new DomainError(
      'ERR_SETTINGS',
      'this instance cannot open what the other instances share: its identity or age key is another one',
      {
        cause: error,
        hints: [
          'run on a working instance: keytrustee-kms identity --output FILE',
          'then here: keytrustee-kms init --join FILE',
        ],
      },
    )
  }
}
