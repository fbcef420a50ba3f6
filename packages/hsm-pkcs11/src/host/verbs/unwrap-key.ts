/**
 * Unwrapping in the device. The record's algorithm says what to ask; the key is not described first, because that costs
 * round trips, and a device asked for something the key cannot do refuses by itself.
 */
import { DomainError, hasCode, type HsmKeyId } from '@keyhsm/core'
import {
  aesGcmAssociatedData,
  contentKeyBytes,
  isRsaOaep,
  type RsaOaepAlgorithm,
  type WrapAlgorithm,
  wrapAlgorithms,
  wrappedKeyRefused,
} from '@keyhsm/hsm'
import type { AesWrap } from '../../profile.js'
import type { CallControl } from '../job-queue.js'
import type { WholeKey } from '../jobs/describe-key.js'
import { JobError } from '../scheduler.js'
import { ensureUse, type RunVerb, type VerbContext } from './verb-context.js'

/** Unwraps RSA-OAEP, AES-GCM and KWP. @throws ERR_INTEGRITY when bytes or algorithm do not belong to the key. */
export const unwrapKey: RunVerb<'unwrap'> = async (context, args, control) => {
  const { id, algorithm } = args
  try {
    const contentKey = await context.directory.withKey(id, control, (key) =>
      isRsaOaep(algorithm)
        ? unwrapRsa(context, key, { algorithm, input: args.bytes }, control)
        : unwrapAes(context, key, args, control),
    )
    if (contentKey.length === contentKeyBytes) return contentKey
    contentKey.fill(0)
    throw wrappedKeyRefused()
  } catch (error) {
    throw await explain(context, id, algorithm, { error: orHalf(context, id, error), control })
  }
}

/** ECDH for ECIES; the service finishes it. */
export const deriveSecret: RunVerb<'derive'> = async (context, { id, point }, control) => {
  try {
    return await derive(context, { id, point }, control)
  } catch (error) {
    throw orHalf(context, id, error)
  }
}

async function derive(
  { directory, scheduler }: VerbContext,
  { id, point }: Parameters<RunVerb<'derive'>>[1],
  control: CallControl,
): ReturnType<RunVerb<'derive'>> {
  const description = await directory.describe(id, control)
  ensureUse(description, 'wrap')
  if (description.kind !== 'ec-p256' || !description.publicKey) throw wrappedKeyRefused()
  const shared = await directory.withKey(id, control, (key) => {
    if (!('privateKey' in key)) throw wrappedKeyRefused()
    return scheduler.submit('deriveSecret', { key: key.privateKey, point }, control)
  })
  return { shared, publicKey: Buffer.from(description.publicKey) }
}

function unwrapRsa(
  { scheduler }: VerbContext,
  key: WholeKey,
  what: { algorithm: RsaOaepAlgorithm; input: Buffer },
  control: CallControl,
): Promise<Buffer> {
  if (!('privateKey' in key)) throw wrappedKeyRefused()
  return scheduler.submit('decryptOaep', { ...what, key: key.privateKey }, control)
}

function unwrapAes(
  { scheduler, profile, findings }: VerbContext,
  key: WholeKey,
  { id, algorithm, bytes, binding }: Parameters<RunVerb<'unwrap'>>[1],
  control: CallControl,
): Promise<Buffer> {
  if (!('secretKey' in key)) throw wrappedKeyRefused()
  const how = findAesWrap(algorithm, [...(findings.aes ? [findings.aes] : []), ...profile.aes])
  if (!how) throw new DomainError('ERR_HSM_NOT_SUPPORTED', `this HSM does not unwrap ${algorithm}`)
  const associatedData = aesGcmAssociatedData(id, binding)
  const args = { how, key: key.secretKey, input: bytes, associatedData }
  return scheduler.submit('unwrapAes', args, control)
}

/** The way this token does it now, else the first the profile knows: an old record may need another than new ones. */
function findAesWrap(algorithm: WrapAlgorithm, ways: readonly AesWrap[]): AesWrap | undefined {
  return ways.find((how) => how.algorithm === algorithm)
}

/** A private half without its public half is a fault of the token, not a key that is gone: it opens again when it is whole. */
function orHalf({ directory }: VerbContext, id: HsmKeyId, error: unknown): unknown {
  if (!hasCode(error, 'ERR_NOT_FOUND') || !directory.holdsPrivateHalf(id)) return error
  return new DomainError('ERR_HSM_REFUSED', 'the HSM shows only the private half of this key', {
    cause: error,
  })
}

/** A refusal may mean that the algorithm is not one of this key's: only then is the key described. */
async function explain(
  { directory }: VerbContext,
  id: HsmKeyId,
  algorithm: WrapAlgorithm,
  { error, control }: { error: unknown; control: CallControl },
): Promise<unknown> {
  if (!(error instanceof JobError) || !refusals.has(error.error.code)) return error
  const { kind, use } = await directory.describe(id, control)
  const kinds: readonly string[] = wrapAlgorithms[algorithm].kinds
  return use === 'wrap' && kinds.includes(kind) ? error : wrappedKeyRefused(error.error.cause)
}

const refusals: ReadonlySet<string> = new Set(['ERR_HSM_REFUSED', 'ERR_HSM_NOT_SUPPORTED'])
