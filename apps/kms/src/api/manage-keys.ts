/** Creating, rolling, deleting, undeleting and purging keys. */
import { randomBytes } from 'node:crypto'
import { reached } from '@keyhsm/core'
import { createKey } from '../zone-keys/create-key.js'
import { deleteKey } from '../zone-keys/delete-key.js'
import { bitsOf } from '../zone-keys/eek.js'
import type { Changed } from '../zone-keys/key-store.js'
import { type Purged, purgeKey } from '../zone-keys/purge-key.js'
import type { DeletedKey } from '../zone-keys/zone-key.js'
import { undeleteKey } from '../zone-keys/undelete-key.js'
import { requireBits, rollKey } from '../zone-keys/roll-key.js'
import { mayGetMaterial, requireCreation, requireKeyAccess, requireOperation } from './authorize.js'
import type { Answer, Call } from './call.js'
import { describeVersion } from './describe.js'
import {
  attributesOf,
  bytesOf,
  type Fields,
  integerOf,
  parseObject,
  requireText,
  textOf,
} from './fields.js'
import { requireKeyName, versionName } from './names.js'
import { badRequest, RemoteError } from './remote-error.js'

/** POST /keys */
export async function createKeyEndpoint(call: Call): Promise<Answer> {
  const fields = parseObject(call.body)
  const name = requireKeyName(requireText(textOf(fields, 'name'), 'name'))
  await requireOperation(call, ['CREATE'], 'CREATE_KEY', name)
  const given = textOf(fields, 'material')
  if (given !== undefined) await requireOperation(call, ['SET_KEY_MATERIAL'], 'CREATE_KEY', name)
  const order = readOrder(call, fields)
  const attributes = await requireCreation(call, name, attributesOf(fields))
  const material = given === undefined ? randomBytes(order.bits / 8) : bytesOf(given, 'material')
  try {
    requireBits(material, order.bits)
    const by = call.caller.user.full
    await changeAudited(call, { op: 'CREATE_KEY', key: name }, async () => {
      const rest = { name, attributes, material, materialGiven: given !== undefined, by }
      const changed = await createKey(call.kms.keys, { ...order, ...rest })
      return {
        changed,
        message: `UserProvidedMaterial:${given !== undefined} Description:${order.description}`,
      }
    })
    return {
      status: 201,
      body: await describeNew(call, name, 0),
      headers: { location: `${call.origin}/kms/v1/key/${encodeURIComponent(name)}` },
    }
  } finally {
    material.fill(0)
  }
}

function readOrder({ kms }: Call, fields: Fields) {
  const { defaultCipher, defaultBits } = kms.settings()
  const cipher = textOf(fields, 'cipher') || defaultCipher
  const bits = integerOf(fields, 'length') || defaultBits
  const possible = bitsOf(cipher)
  if (!possible)
    throw badRequest("Unknown cipher: 'cipher' must be of AES or SM4, such as AES/CTR/NoPadding")
  if (!possible.includes(bits))
    throw new RemoteError(
      400,
      'invalidParameter',
      `Wrong keysize: must be equal to ${formatList(possible)}`,
    )
  return { cipher, bits, description: textOf(fields, 'description') ?? null }
}

/** `128, 192 or 256` */
function formatList(values: readonly number[]): string {
  return values.length < 2
    ? values.join('')
    : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`
}

/** POST /key/{name} */
export async function rollKeyEndpoint(call: Call): Promise<Answer> {
  const { kms } = call
  await requireOperation(call, ['ROLLOVER'], 'ROLL_NEW_VERSION', call.name)
  const name = requireText(call.name, 'name')
  const given = textOf(parseObject(call.body), 'material')
  if (given !== undefined)
    await requireOperation(call, ['SET_KEY_MATERIAL'], 'ROLL_NEW_VERSION', name)
  await requireKeyAccess(call, 'MANAGEMENT', await kms.keys.directory.find(name))
  const material = given === undefined ? undefined : bytesOf(given, 'material')
  try {
    const by = call.caller.user.full
    const { named } = await changeAudited(call, { op: 'ROLL_NEW_VERSION', key: name }, async () => {
      const changed = await rollKey(kms.keys, { name, material, by })
      const version = versionName(name, (changed.named.key?.versions ?? 1) - 1)
      return {
        changed,
        message: `UserProvidedMaterial:${given !== undefined} NewVersion:${version}`,
      }
    })
    return { body: await describeNew(call, name, (named.key?.versions ?? 1) - 1) }
  } finally {
    material?.fill(0)
  }
}

/** DELETE /key/{name} */
export async function deleteKeyEndpoint(call: Call): Promise<Answer> {
  const { kms } = call
  await requireOperation(call, ['DELETE'], 'DELETE_KEY', call.name)
  const name = requireText(call.name, 'name')
  await requireKeyAccess(call, 'MANAGEMENT', await kms.keys.directory.find(name))
  await changeAudited(call, { op: 'DELETE_KEY', key: name }, async () => {
    const changed = await deleteKey(kms.keys, { name, by: call.caller.user.full })
    return { changed, message: '' }
  })
  return {}
}

/** POST /trustee/key/{name}?trusteeOp=undelete|purge, as Key Trustee KMS had it. */
export async function trusteeKeyEndpoint(call: Call): Promise<Answer> {
  const { kms, name } = call
  const operation = call.query.get('trusteeOp')
  const by = call.caller.user.full
  if (operation === 'undelete') {
    await requireOperation(call, ['UNDELETE'], 'UNDELETE_KEY', name)
    await requireDeletedAccess(call, (deleted) =>
      deleted.filter(({ purging }) => !purging).slice(0, 1),
    )
    await changeAudited(call, { op: 'UNDELETE_KEY', key: name }, async () => ({
      changed: await undeleteKey(kms.keys, { name, by }),
      message: '',
    }))
    return {}
  }
  if (operation !== 'purge') throw badRequest("Parameter 'trusteeOp' must be undelete or purge")
  await requireOperation(call, ['PURGE'], 'PURGE_KEY', name)
  await requireDeletedAccess(call, (deleted) => deleted)
  await changeAudited(call, { op: 'PURGE_KEY', key: name }, async () => {
    const purged = await purgeKey(kms.keys, { name, by })
    return { changed: purged, message: tellPurged(purged) }
  })
  return {}
}

/** Whoever may not delete a key may not decide either what becomes of it then. @throws RemoteError 403 */
async function requireDeletedAccess(
  call: Call,
  choose: (deleted: readonly DeletedKey[]) => readonly DeletedKey[],
): Promise<void> {
  const { name, kms } = call
  const found = await kms.keys.directory.look(name)
  for (const { key } of choose(found?.named.deleted ?? []))
    await requireKeyAccess(call, 'MANAGEMENT', { name, key })
}

/** What log and audit say of a purge. */
export function tellPurged({ keys, versions, pending }: Purged): string {
  const later = pending === 0 ? '' : `, ${pending} HSM keys are revoked when the HSM answers`
  return `purged ${keys} keys with ${versions} versions${later}`
}

/** POST /key/{name}/_invalidatecache: also for names that do not exist. */
export async function invalidateCacheEndpoint(call: Call): Promise<Answer> {
  const { kms } = call
  await requireOperation(call, ['ROLLOVER', 'DELETE'], 'INVALIDATE_CACHE', call.name)
  const name = requireText(call.name, 'name')
  const { directory, versions, repetitions } = kms.keys
  const found = await directory.find(name)
  await requireKeyAccess(call, 'MANAGEMENT', found)
  directory.forget(name)
  if (found) versions.forget(found.key.uid)
  repetitions.invalidated(name, kms.clock.now().getTime())
  const { caller, peerAddress, requestId } = call
  await kms.audit.record({
    status: 'OK',
    op: 'INVALIDATE_CACHE',
    key: name,
    caller,
    peerAddress,
    requestId,
  })
  return {}
}

/** A change between its two entries; what becomes of the reply is remembered for repetitions. */
async function changeAudited<
  Result extends { readonly changed?: Changed; readonly message: string },
>(
  call: Call,
  what: { readonly op: string; readonly key: string },
  change: () => Promise<Result>,
): Promise<NonNullable<Result['changed']>> {
  const { kms, caller, peerAddress, requestId } = call
  const access = { ...what, caller, peerAddress, requestId }
  await kms.audit.intend(access)
  reached('key:intent-audited')
  const { changed, message } = await change()
  const repeated = changed?.repeated ? `${message} Repeated:true` : message
  await kms.audit.record({ ...access, status: 'OK', message: repeated })
  reached('key:outcome-audited')
  if (changed) {
    const { name, change: last } = changed.named
    kms.keys.repetitions.replied(name, last, false)
    void call.delivered.then((delivered) => kms.keys.repetitions.replied(name, last, delivered))
  }
  return changed as NonNullable<Result['changed']>
}

/** The new version for whoever made it; its material only for those who may get it anyway. */
async function describeNew(call: Call, name: string, index: number): Promise<object> {
  if (!mayGetMaterial(call)) return describeVersion(name, index, null)
  const found = await call.kms.keys.directory.find(name)
  if (!found || index >= found.key.versions) return describeVersion(name, index, null)
  const { uid, cipher } = found.key
  const place = { name, uid, index, cipher }
  return call.kms.keys.versions.use(place, (version) =>
    version.expose((material) => describeVersion(name, index, material)),
  )
}
