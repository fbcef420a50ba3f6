import type { CryptokiHandle } from '../../cryptoki.js'
import { classifyFailure, CryptokiError } from '../../return-codes.js'
import { ask } from '../ask.js'
import type { JobSession } from './job-session.js'

/**
 * The values of attributes that an object of this kind has, in the order asked for, or undefined when it lacks one: a
 * request that asks for one too many fails as a whole (observed: pkcs11js 2.1.7).
 */
export function readAttributes(
  { cryptoki, session, profile }: JobSession,
  object: CryptokiHandle,
  types: readonly number[],
): Buffer[] | undefined {
  const template = types.map((type) => ({ type }))
  try {
    const read = ask(cryptoki, 'C_GetAttributeValue', session, object, template)
    return read.map((attribute) => attribute.value)
  } catch (error) {
    if (isAbsent(error, profile.returnCodes)) return undefined
    throw error
  }
}

/** One attribute, or undefined when the object lacks it. */
export function readAttribute(
  job: JobSession,
  object: CryptokiHandle,
  type: number,
): Buffer | undefined {
  return readAttributes(job, object, [type])?.[0]
}

/** A CK_ULONG attribute. Every class and type we know fits in 32 bits, whatever the length of CK_ULONG. */
export function toNumber(value: Buffer): number {
  return value.length >= 4 ? value.readUInt32LE(0) : 0
}

/** A CK_BBOOL attribute; absent is false. */
export function toFlag(value: Buffer | undefined): boolean {
  return value !== undefined && value.length > 0 && value[0] !== 0
}

/** What `read` gives, or undefined when the object it reads went away meanwhile. */
export function unlessGone<Read>({ profile }: JobSession, read: () => Read): Read | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof CryptokiError)) throw error
    if (classifyFailure(error.failure, profile.returnCodes) === 'key-missing') return undefined
    throw error
  }
}

function isAbsent(error: unknown, overrides: JobSession['profile']['returnCodes']): boolean {
  if (!(error instanceof CryptokiError)) return false
  return classifyFailure(error.failure, overrides) === 'attribute-absent'
}
