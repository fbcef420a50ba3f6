/** Names, descriptions, and raw key material (the dangerous part of the API). */
import type { LiveKey } from '../zone-keys/key-directory.js'
import { requireExport, requireKeyAccess, requireOperation } from './authorize.js'
import type { Answer, Call } from './call.js'
import { describeKey, describeVersion } from './describe.js'
import { requireText } from './fields.js'
import { parseVersionName } from './names.js'

/** GET /keys/names: all of them, sorted; per-key rules do not count here. */
export async function namesEndpoint(call: Call): Promise<Answer> {
  await requireOperation(call, ['GET_KEYS'], 'GET_KEYS')
  const all = await call.kms.keys.directory.lookAll()
  await recordOk(call, 'GET_KEYS')
  return { body: all.filter(({ key }) => key).map(({ name }) => name) }
}

/** GET /keys/metadata?key=…: one element a parameter, in its order; one refusal fails all. */
export async function keysMetadataEndpoint(call: Call): Promise<Answer> {
  await requireOperation(call, ['GET_METADATA'], 'GET_KEYS_METADATA')
  const names = call.query.getAll('key')
  const found: (LiveKey | undefined)[] = []
  for (const name of names) {
    const one = await call.kms.keys.directory.find(name)
    await requireKeyAccess(call, 'READ', one)
    found.push(one)
  }
  await recordOk(call, 'GET_KEYS_METADATA')
  return { body: found.map(describeKey) }
}

/** GET /key/{name}/_metadata and GET /key/{name} */
export async function metadataEndpoint(call: Call): Promise<Answer> {
  const name = requireText(call.name, 'name')
  await requireOperation(call, ['GET_METADATA'], 'GET_METADATA', name)
  const found = await call.kms.keys.directory.find(name)
  await requireKeyAccess(call, 'READ', found)
  await recordOk(call, 'GET_METADATA', name)
  return { body: describeKey(found) }
}

/** GET /key/{name}/_currentversion */
export async function currentVersionEndpoint(call: Call): Promise<Answer> {
  const name = requireText(call.name, 'name')
  await requireOperation(call, ['GET'], 'GET_CURRENT_KEY', name)
  const found = await call.kms.keys.directory.find(name)
  await requireKeyAccess(call, 'READ', found)
  const body = found
    ? await readVersion(call, 'GET_CURRENT_KEY', found, found.key.versions - 1)
    : {}
  await recordOk(call, 'GET_CURRENT_KEY', name)
  return { body }
}

/** GET /key/{name}/_versions */
export async function versionsEndpoint(call: Call): Promise<Answer> {
  const name = requireText(call.name, 'name')
  await requireOperation(call, ['GET'], 'GET_KEY_VERSIONS', name)
  const found = await call.kms.keys.directory.find(name)
  await requireKeyAccess(call, 'READ', found)
  const versions: object[] = []
  for (let index = 0; index < (found?.key.versions ?? 0); index += 1)
    if (found) versions.push(await readVersion(call, 'GET_KEY_VERSIONS', found, index))
  await recordOk(call, 'GET_KEY_VERSIONS', name)
  return { body: versions }
}

/** GET /keyversion/{version}: an unknown one is an empty object, and leaves no line. */
export async function versionEndpoint(call: Call): Promise<Answer> {
  requireText(call.name, 'versionName')
  await requireOperation(call, ['GET'], 'GET_KEY_VERSION')
  const version = parseVersionName(call.name)
  const found = version && (await call.kms.keys.directory.find(version.name))
  if (!version || !found || version.index >= found.key.versions) return { body: {} }
  await requireKeyAccess(call, 'READ', found)
  const body = await readVersion(call, 'GET_KEY_VERSION', found, version.index)
  await recordOk(call, 'GET_KEY_VERSION', found.name, call.name)
  return { body }
}

async function readVersion(
  call: Call,
  op: string,
  { name, key }: LiveKey,
  index: number,
): Promise<object> {
  await requireExport(call, op, name)
  const place = { name, uid: key.uid, index, cipher: key.cipher }
  return call.kms.keys.versions.use(place, (version) =>
    version.expose((material) => describeVersion(name, index, material)),
  )
}

function recordOk(call: Call, op: string, key?: string, version?: string): Promise<void> {
  const { caller, peerAddress, requestId } = call
  return call.kms.audit.record({ status: 'OK', op, key, caller, peerAddress, version, requestId })
}
