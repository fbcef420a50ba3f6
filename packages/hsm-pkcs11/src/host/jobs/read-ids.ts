import type { HsmKeyId } from '@keyhsm/core'
import { CKA } from '../../constants.js'
import type { CryptokiHandle } from '../../cryptoki.js'
import { CryptokiError, classifyFailure } from '../../return-codes.js'
import type { JobSession } from './job-session.js'
import { readAttributes, toNumber } from './read-attributes.js'

/** A token object that carries an id of ours. */
export interface IdentifiedObject {
  readonly object: CryptokiHandle
  readonly class: number
  readonly id: HsmKeyId
}

const idBytes = 16

/** Those of `objects` that have a 16-byte id. An object that went away meanwhile is left out. */
export function readIds(job: JobSession, objects: readonly CryptokiHandle[]): IdentifiedObject[] {
  return objects.flatMap((object) => readId(job, object) ?? [])
}

function readId(job: JobSession, object: CryptokiHandle): IdentifiedObject | undefined {
  try {
    const [kind, id] = readAttributes(job, object, [CKA.class, CKA.id]) ?? []
    if (!kind || id?.length !== idBytes) return undefined
    return { object, class: toNumber(kind), id: id.toString('hex') as HsmKeyId }
  } catch (error) {
    if (isGone(job, error)) return undefined
    throw error
  }
}

function isGone({ profile }: JobSession, error: unknown): boolean {
  if (!(error instanceof CryptokiError)) return false
  return classifyFailure(error.failure, profile.returnCodes) === 'key-missing'
}
