import type { HsmKeyId } from '@keyhsm/core'
import { CKA } from '../../constants.js'
import type { CryptokiHandle } from '../../cryptoki.js'
import type { JobSession } from './job-session.js'
import { readAttributes, toNumber, unlessGone } from './read-attributes.js'

/** A token object that carries an id of ours. */
export interface IdentifiedObject {
  readonly object: CryptokiHandle
  readonly class: number
  readonly id: HsmKeyId
}

const idBytes = 16

/** Those of `objects` that have a 16-byte id. An object that went away meanwhile is left out. */
export function readIds(job: JobSession, objects: readonly CryptokiHandle[]): IdentifiedObject[] {
  return objects.flatMap((object) => unlessGone(job, () => readId(job, object)) ?? [])
}

function readId(job: JobSession, object: CryptokiHandle): IdentifiedObject | undefined {
  const [kind, id] = readAttributes(job, object, [CKA.class, CKA.id]) ?? []
  if (!kind || id?.length !== idBytes) return undefined
  return { object, class: toNumber(kind), id: id.toString('hex') as HsmKeyId }
}
