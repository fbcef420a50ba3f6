/** Wrapped keys that were changed, cut, moved or forged: every one is ERR_INTEGRITY, and none opens to a wrong key. */
import { publicEncrypt, randomBytes } from 'node:crypto'
import { wrappedKeyRefused } from '../../content-key.js'
import type { HsmKey, WrappedKey } from '../../hsm.js'
import type { WrappingKind } from '../../kinds.js'
import { isRsaOaep, oaepHashes } from '../../rsa-oaep.js'
import { type WrapAlgorithm, wrapAlgorithms } from '../../wrap-algorithms.js'
import { wrapInSoftware } from '../../wrap-in-software.js'
import { parseWrapPublicKey } from '../../wrap-public-key.js'
import type { CaseContext, WrappedEntry } from '../case-context.js'
import type { ConformanceCase } from '../conformance-case.js'
import { ConformanceFailure, ensureEqual } from '../failure.js'

const variesBy = 'kind'
const binding = Buffer.from('header and context')
/** Every byte of shorter wrapped keys is changed; of longer ones (RSA) every eighth, and the last. */
const wholeUpTo = 128

/** The rules about bad wrapped keys for a key of this kind. */
export function tamperingCases(kind: WrappingKind): ConformanceCase[] {
  return [
    { name: `one flipped bit is refused / ${kind}`, kind, variesBy, run: flipped },
    { name: `a cut or longer wrapped key is refused / ${kind}`, kind, variesBy, run: otherLength },
    { name: `another algorithm name is refused / ${kind}`, kind, variesBy, run: otherAlgorithm },
    {
      name: `a wrapped key of another HSM key is refused / ${kind}`,
      kind,
      variesBy,
      run: otherKey,
    },
    { name: `a forged wrapped key is refused / ${kind}`, kind, variesBy, run: forged },
  ]

  async function flipped(context: CaseContext): Promise<void> {
    const entry = await context.wrapped(await context.sharedKey(kind), binding)
    const refusals = positions(entry.wrapped.bytes.length).map((at) => {
      const bytes = Buffer.from(entry.wrapped.bytes)
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (at % 8)), at)
      return refused(context, entry.key, { ...entry.wrapped, bytes }, `bit flipped in byte ${at}`)
    })
    await Promise.all(refusals)
    await context.ensureOpens(entry)
  }

  async function otherLength(context: CaseContext): Promise<void> {
    const entry = await context.wrapped(await context.sharedKey(kind), binding)
    const { bytes } = entry.wrapped
    const others = [
      Buffer.alloc(0),
      bytes.subarray(0, 1),
      bytes.subarray(0, -1),
      bytes.subarray(1),
      Buffer.concat([bytes, Buffer.alloc(1)]),
      Buffer.concat([Buffer.alloc(1), bytes]),
      Buffer.concat([bytes, bytes]),
    ]
    for (const other of others) {
      const wrapped = { ...entry.wrapped, bytes: other }
      await refused(context, entry.key, wrapped, `${other.length} for ${bytes.length} bytes`)
    }
    if (!isRsaOaep(entry.wrapped.algorithm)) return
    // The same number in more bytes and in fewer.
    const longer = { ...entry.wrapped, bytes: Buffer.concat([Buffer.alloc(128), bytes]) }
    await refused(context, entry.key, longer, '128 zero bytes before it')
    const beginsWithZero = wrappedWithZero(entry)
    if (!beginsWithZero) return
    await context.ensureOpens(beginsWithZero)
    const { wrapped } = beginsWithZero
    const shorter = { ...wrapped, bytes: wrapped.bytes.subarray(1) }
    await refused(context, entry.key, shorter, 'its first byte, a zero, left out')
  }

  async function otherAlgorithm(context: CaseContext): Promise<void> {
    const entry = await context.wrapped(await context.sharedKey(kind), binding)
    for (const algorithm of Object.keys(wrapAlgorithms) as WrapAlgorithm[]) {
      if (algorithm === entry.wrapped.algorithm) continue
      const kinds: readonly string[] = wrapAlgorithms[algorithm].kinds
      // One that this kind has elsewhere may be unknown to this device.
      const codes = kinds.includes(kind)
        ? (['ERR_INTEGRITY', 'ERR_HSM_NOT_SUPPORTED'] as const)
        : (['ERR_INTEGRITY'] as const)
      const wrapped = { algorithm, bytes: entry.wrapped.bytes }
      const call = context.hsm.unwrapKey(entry.key.id, wrapped, binding)
      await context.expectError(call, codes, `unwrap as ${algorithm}`)
    }
  }

  async function otherKey(context: CaseContext): Promise<void> {
    const entry = await context.wrapped(await context.sharedKey(kind), binding)
    const other = await context.sharedKey(kind, 'wrap', 'second')
    await refused(context, other, entry.wrapped, 'wrapped key of another HSM key')
  }

  async function forged(context: CaseContext): Promise<void> {
    const key = await context.sharedKey(kind)
    const { wrapped } = await context.wrapped(key, binding)
    const length = wrapped.bytes.length
    const forgeries = [
      Buffer.alloc(length),
      Buffer.alloc(length, 0xff),
      randomBytes(length),
      randomBytes(length),
      ...forgeriesFor(key, wrapped),
    ]
    for (const [at, bytes] of forgeries.entries()) {
      await refused(context, key, { ...wrapped, bytes }, `forgery ${at}`)
    }
  }
}

/** One wrapped key in 256 begins with a zero byte: wraps with the public half until it does. Undefined without that half. */
function wrappedWithZero(entry: WrappedEntry): WrappedEntry | undefined {
  const { key, contentKey, wrapped, binding } = entry
  if (key.publicKey === undefined) return undefined
  const publicKey = parseWrapPublicKey(key.id, key.publicKey)
  for (let tries = 0; tries < 10_000; tries++) {
    const other = wrapInSoftware(publicKey, wrapped.algorithm, contentKey, binding)
    if (other.bytes[0] === 0) return { ...entry, wrapped: other }
  }
  throw new ConformanceFailure('no wrapped key of 10,000 begins with a zero byte')
}

/** What a forger makes who has the public key. */
function forgeriesFor(key: HsmKey, wrapped: WrappedKey): Buffer[] {
  if (key.publicKey === undefined) return []
  const parsed = parseWrapPublicKey(key.id, key.publicKey)
  if (isRsaOaep(wrapped.algorithm)) {
    // Good padding around contents that are no content key.
    const options = { key: parsed.key, oaepHash: oaepHashes[wrapped.algorithm] }
    return [0, 16, 31, 33, 64].map((bytes) => publicEncrypt(options, randomBytes(bytes)))
  }
  const tail = wrapped.bytes.subarray(parsed.point.length)
  const invalidPoint = Buffer.from(parsed.point)
  invalidPoint.writeUInt8(invalidPoint.readUInt8(64) ^ 1, 64)
  const infinity = Buffer.alloc(parsed.point.length)
  return [parsed.point, invalidPoint, infinity].map((point) => Buffer.concat([point, tail]))
}

async function refused(
  context: CaseContext,
  key: HsmKey,
  wrapped: WrappedKey,
  what: string,
): Promise<void> {
  const call = context.hsm.unwrapKey(key.id, wrapped, binding)
  const error = await context.expectError(call, 'ERR_INTEGRITY', what)
  ensureEqual(error.message, wrappedKeyRefused().message, `the one text of every refusal, ${what}`)
}

function positions(length: number): number[] {
  const step = length <= wholeUpTo ? 1 : 8
  const chosen = Array.from({ length: Math.ceil(length / step) }, (_, at) => at * step)
  return chosen.includes(length - 1) ? chosen : [...chosen, length - 1]
}
