import { DomainError } from '@keyhsm/core'
import {
  aesGcmAssociatedData,
  isRsaOaep,
  type RsaOaepAlgorithm,
  type WrappingKind,
} from '@keyhsm/hsm'
import type { CallControl } from '../job-queue.js'
import type { WholeKey } from '../jobs/describe-key.js'
import { ensureUse, type RunVerb, toFacts, type VerbContext } from './verb-context.js'

/** The key's facts; where the profile asks for it, the private half is touched first. */
export const proveKey: RunVerb<'prove'> = async (context, { id }, control) => {
  const { directory, profile, scheduler } = context
  const description = await directory.describe(id, control)
  if (profile.proveBeforeWrap) {
    await directory.withKey(id, control, (key) =>
      scheduler.submit('proveObject', mainObject(key), control),
    )
  }
  return toFacts(id, description)
}

/** Wraps a content key in the device: RSA under the public object, AES under the key itself. */
export const wrapKey: RunVerb<'wrap'> = (...asked) =>
  wrapBy({ oaep: encryptOaep, aes: 'wrapAes' }, ...asked)

/** The same, and unwraps it again in the same job: ERR_HSM_REFUSED unless the content key comes back. */
export const wrapProvedKey: RunVerb<'wrapProved'> = (...asked) =>
  wrapBy({ oaep: encryptProvedOaep, aes: 'wrapProvedAes' }, ...asked)

type WrapArgs = Parameters<RunVerb<'wrap'>>[1]

/** The jobs of one way of wrapping. */
interface Way {
  readonly oaep: typeof encryptOaep
  readonly aes: 'wrapAes' | 'wrapProvedAes'
}

async function wrapBy(
  way: Way,
  context: VerbContext,
  args: WrapArgs,
  control: CallControl,
): ReturnType<RunVerb<'wrap'>> {
  const { id } = args
  try {
    const description = await context.directory.describe(id, control)
    ensureUse(description, 'wrap')
    const algorithm = context.findings.wrapAlgorithms[description.kind as WrappingKind]
    if (!algorithm) throw cannotWrap(description.kind)
    const bytes = await context.directory.withKey(id, control, (key) =>
      isRsaOaep(algorithm)
        ? way.oaep(context, key, { algorithm, input: args.contentKey }, control)
        : wrapByAes(context, key, { ...args, job: way.aes }, control),
    )
    return { algorithm, bytes }
  } finally {
    // Only this: other arguments may be one Buffer for several calls of a batch, because cloning keeps identity.
    args.contentKey.fill(0)
  }
}

interface OaepInput {
  readonly algorithm: RsaOaepAlgorithm
  readonly input: Buffer
}

function encryptOaep(
  { profile, scheduler }: VerbContext,
  key: WholeKey,
  what: OaepInput,
  control: CallControl,
): Promise<Buffer> {
  if (!('publicKey' in key)) throw cannotWrap(what.algorithm)
  const prove = profile.proveBeforeWrap ? key.privateKey : undefined
  return scheduler.submit('encryptOaep', { ...what, key: key.publicKey, prove }, control)
}

function encryptProvedOaep(
  { scheduler }: VerbContext,
  key: WholeKey,
  what: OaepInput,
  control: CallControl,
): Promise<Buffer> {
  if (!('publicKey' in key)) throw cannotWrap(what.algorithm)
  const { publicKey, privateKey } = key
  return scheduler.submit('encryptProvedOaep', { ...what, key: publicKey, privateKey }, control)
}

function wrapByAes(
  { findings, scheduler }: VerbContext,
  key: WholeKey,
  { id, contentKey, binding, job }: WrapArgs & { readonly job: Way['aes'] },
  control: CallControl,
): Promise<Buffer> {
  if (!('secretKey' in key) || !findings.aes) throw cannotWrap('AES')
  const associatedData = aesGcmAssociatedData(id, binding)
  const args = { how: findings.aes, key: key.secretKey, input: contentKey, associatedData }
  return scheduler.submit(job, args, control)
}

function mainObject(key: WholeKey): Buffer {
  return 'secretKey' in key ? key.secretKey : key.privateKey
}

function cannotWrap(what: string): DomainError {
  return new DomainError('ERR_HSM_NOT_SUPPORTED', `this HSM does not wrap by ${what}`)
}
