/**
 * The PKCS#11 surface in memory, for what no library at hand does: vendor behaviours (who makes the GCM nonce, what is
 * refused) and return codes on demand. Only what the jobs under test call is there; anything else throws.
 */
import {
  type Cipher,
  createCipheriv,
  createDecipheriv,
  type Decipher,
  randomBytes,
} from 'node:crypto'
import type { Attribute, Cryptoki, CryptokiHandle, MechanismSpec } from '../../src/cryptoki.js'

/** Who makes the nonce of AES-GCM, as the vendors differ. */
export type NonceRule = 'caller' | 'device-prepended' | 'device-appended'

export interface FakeBehaviour {
  readonly mechanisms?: readonly number[]
  readonly tokens?: readonly { label: string; serial: string; flags?: number; slot: number }[]
  readonly nonceRule?: NonceRule
  readonly gcmMechanism?: number
  /** CKM_… hash numbers that OAEP accepts; both by default. */
  readonly oaepHashes?: readonly number[]
  /** Return code of a call, the first time(s) it is made. */
  readonly failures?: Readonly<Record<string, readonly number[]>>
  /** CK_STATE of every session; 3 is logged in. */
  readonly sessionState?: number
}

interface FakeObject {
  readonly attributes: ReadonlyMap<number, Attribute['value']>
  readonly key: Buffer
}

const tagBytes = 16
const oaep = 0x9
/** The standard's RFC 5649 and Luna's own number for it. */
const kwp: readonly number[] = [0x210b, 0x80000171]
const kwpName = 'id-aes256-wrap-pad'
const kwpIv = Buffer.from('a65959a6', 'hex')

export function handle(number: number): CryptokiHandle {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(number)
  return bytes
}

export class FakeCryptoki {
  readonly calls: string[] = []
  readonly templates: (readonly Attribute[])[] = []
  readonly #behaviour: FakeBehaviour
  readonly #failures: Record<string, number[]>
  readonly #objects = new Map<number, FakeObject>()
  #next = 1
  #operation: { mechanism: MechanismSpec; key: Buffer } | undefined

  constructor(behaviour: FakeBehaviour = {}) {
    this.#behaviour = behaviour
    this.#failures = Object.fromEntries(
      Object.entries(behaviour.failures ?? {}).map(([call, codes]) => [call, [...codes]]),
    )
  }

  /** As the library's type; calls that the fake lacks fail loudly. */
  get cryptoki(): Cryptoki {
    return new Proxy(this, {
      get: (fake, name) => {
        const method = Reflect.get(fake, name) as ((...args: unknown[]) => unknown) | undefined
        return (...args: unknown[]) => {
          fake.#enter(String(name))
          if (!method) throw new Error(`the fake has no ${String(name)}`)
          return method.apply(fake, args)
        }
      },
    }) as unknown as Cryptoki
  }

  get objectCount(): number {
    return this.#objects.size
  }

  C_GetSlotList(): CryptokiHandle[] {
    return (this.#behaviour.tokens ?? []).map(({ slot }) => handle(slot))
  }

  C_GetTokenInfo(slot: CryptokiHandle) {
    const found = this.#behaviour.tokens?.find((token) => handle(token.slot).equals(slot))
    const padded = (text: string, length: number) => text.padEnd(length, ' ')
    return {
      label: padded(found?.label ?? '', 32),
      serialNumber: padded(found?.serial ?? '', 16),
      manufacturerID: padded('maker', 32),
      model: padded('model', 16),
      flags: found?.flags ?? 0x400,
    }
  }

  C_GetMechanismList(): number[] {
    return [...(this.#behaviour.mechanisms ?? [])]
  }

  C_OpenSession(): CryptokiHandle {
    return handle(1000 + this.#next++)
  }

  C_CloseSession(): void {}

  C_GetSessionInfo() {
    return { state: this.#behaviour.sessionState ?? 3 }
  }

  C_GenerateRandom(_session: CryptokiHandle, output: Buffer): Buffer {
    return output
  }

  C_GenerateKey(
    _session: CryptokiHandle,
    _mechanism: MechanismSpec,
    template: readonly Attribute[],
  ): CryptokiHandle {
    this.templates.push(template)
    const attributes = new Map(template.map(({ type, value }) => [type, value]))
    const number = this.#next++
    this.#objects.set(number, { attributes, key: randomBytes(32) })
    return handle(number)
  }

  C_DestroyObject(_session: CryptokiHandle, object: CryptokiHandle): void {
    if (!this.#objects.delete(object.readUInt32LE(0))) throw failure(0x82)
  }

  C_EncryptInit(_session: CryptokiHandle, mechanism: MechanismSpec, key: CryptokiHandle): void {
    this.#begin(mechanism, key)
  }

  C_DecryptInit(_session: CryptokiHandle, mechanism: MechanismSpec, key: CryptokiHandle): void {
    this.#begin(mechanism, key)
  }

  C_CreateObject(_session: CryptokiHandle, template: readonly Attribute[]): CryptokiHandle {
    return this.C_GenerateKey(_session, { mechanism: 0 }, template)
  }

  C_Encrypt(_session: CryptokiHandle, input: Buffer): Buffer {
    const { mechanism, key } = this.#end()
    if (mechanism.mechanism === oaep) return Buffer.alloc(256)
    if (kwp.includes(mechanism.mechanism))
      return through(createCipheriv(kwpName, key, kwpIv), input)
    return this.#sealGcm(mechanism, key, input)
  }

  C_Decrypt(_session: CryptokiHandle, input: Buffer): Buffer {
    const { mechanism, key } = this.#end()
    if (kwp.includes(mechanism.mechanism)) {
      return through(createDecipheriv(kwpName, key, kwpIv), input)
    }
    return this.#openGcm(mechanism, key, input)
  }

  #sealGcm(mechanism: MechanismSpec, key: Buffer, input: Buffer): Buffer {
    const { iv, aad } = gcmParameters(mechanism)
    const rule = this.#behaviour.nonceRule ?? 'caller'
    const nonce = rule === 'caller' ? iv : randomBytes(rule === 'device-appended' ? 16 : 12)
    if (rule === 'device-prepended' && iv.length > 0) throw failure(0x71)
    const cipher = createCipheriv('aes-256-gcm', key, nonce)
    cipher.setAAD(aad)
    const sealed = Buffer.concat([cipher.update(input), cipher.final(), cipher.getAuthTag()])
    if (rule === 'caller') return sealed
    return rule === 'device-appended'
      ? Buffer.concat([sealed, nonce])
      : Buffer.concat([nonce, sealed])
  }

  #openGcm(mechanism: MechanismSpec, key: Buffer, input: Buffer): Buffer {
    const { iv, aad } = gcmParameters(mechanism)
    const prepended = this.#behaviour.nonceRule === 'device-prepended'
    const nonce = prepended ? input.subarray(0, 12) : iv
    const sealed = prepended ? input.subarray(12) : input
    const decipher = createDecipheriv('aes-256-gcm', key, nonce)
    decipher.setAAD(aad)
    decipher.setAuthTag(sealed.subarray(-tagBytes))
    return through(decipher, sealed.subarray(0, -tagBytes))
  }

  #begin(mechanism: MechanismSpec, key: CryptokiHandle): void {
    const object = this.#objects.get(key.readUInt32LE(0))
    if (!object) throw failure(0x82)
    const known = [this.#behaviour.gcmMechanism ?? 0x1087, oaep, ...kwp]
    if (!known.includes(mechanism.mechanism)) throw failure(0x70)
    const hash = mechanism.parameter?.hashAlg as number | undefined
    if (hash && !(this.#behaviour.oaepHashes ?? [hash]).includes(hash)) throw failure(0x71)
    this.#operation = { mechanism, key: object.key }
  }

  #end(): { mechanism: MechanismSpec; key: Buffer } {
    const operation = this.#operation
    if (!operation) throw failure(0x91)
    this.#operation = undefined
    return operation
  }

  #enter(call: string): void {
    this.calls.push(call)
    const code = this.#failures[call]?.shift()
    if (code !== undefined && code !== 0) throw failure(code)
  }
}

/** An error as the binding throws it. */
export function failure(code: number): Error {
  return Object.assign(new Error('CKR_SOMETHING'), { code })
}

function gcmParameters({ parameter }: MechanismSpec): { iv: Buffer; aad: Buffer } {
  if (!parameter) throw failure(0x71)
  return { iv: parameter.iv as Buffer, aad: parameter.aad as Buffer }
}

function through(cipher: Cipher | Decipher, input: Buffer): Buffer {
  try {
    return Buffer.concat([cipher.update(input), cipher.final()])
  } catch {
    throw failure(0x40)
  }
}
