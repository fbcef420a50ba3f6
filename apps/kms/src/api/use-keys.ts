/** What HDFS lives on: data keys made, opened and carried over to a newer key version. */
import { type Eek, type EekCipher, ivBytes } from '../zone-keys/eek.js'
import type { LiveKey } from '../zone-keys/key-directory.js'
import { requireKeyAccess, requireOperation } from './authorize.js'
import type { Answer, Call } from './call.js'
import { describeEek } from './describe.js'
import {
  bytesOf,
  type Fields,
  formatBytes,
  parseList,
  parseObject,
  requirePresent,
  requireText,
  textOf,
} from './fields.js'
import { parseVersionName, versionName } from './names.js'
import { badRequest, RemoteError } from './remote-error.js'

const wrongOperation = () =>
  badRequest('IllegalArgumentException Wrong eek_op value, it must be generate or decrypt')

/** GET /key/{name}/_eek?eek_op=generate&num_keys=… */
export async function generateEndpoint(call: Call): Promise<Answer> {
  const { kms } = call
  const name = requireText(call.name, 'name')
  const count = readCount(call)
  const operation = requirePresent(call.query.get('eek_op') ?? undefined, 'eekOp')
  if (operation !== 'generate') throw wrongOperation()
  await requireOperation(call, ['GENERATE_EEK'], 'GENERATE_EEK', name)
  const pending = kms.keys.directory.find(name)
  const found = pending instanceof Promise ? await pending : pending
  await requireKeyAccess(call, 'GENERATE_EEK', found)
  if (!found) throw new RemoteError(500, 'io', `No KeyVersion exists for key '${name}'`)
  const eeks = await withVersion(call, found, found.key.versions - 1, (eeks) =>
    Array.from({ length: count }, () => eeks.make()),
  )
  const version = versionName(name, found.key.versions - 1)
  await record(call, { op: 'GENERATE_EEK', key: name, version, count })
  return { body: eeks.map((eek) => describeEek(name, version, eek)) }
}

/** 0 and less is none; Hadoop knows no upper bound, this has one. */
function readCount({ kms, query }: Call): number {
  const text = query.get('num_keys') ?? '1'
  const { maxKeysPerCall } = kms.settings()
  if (!/^-?\d{1,10}$/.test(text) || Number(text) > maxKeysPerCall)
    throw badRequest(`Parameter 'num_keys' must be a whole number of at most ${maxKeysPerCall}`)
  return Math.max(0, Number(text))
}

/** POST /keyversion/{version}/_eek?eek_op=decrypt|reencrypt */
export async function versionEekEndpoint(call: Call): Promise<Answer> {
  const version = requireText(call.name, 'versionName')
  const operation = requirePresent(call.query.get('eek_op') ?? undefined, 'eekOp')
  const fields = parseObject(call.body)
  const eek = readEek(fields)
  if (operation === 'decrypt') return decrypt(call, { version, fields, eek })
  if (operation === 'reencrypt') return reencrypt(call, { version, fields, eek })
  throw wrongOperation()
}

interface EekIn {
  readonly version: string
  readonly fields: Fields
  readonly eek: Eek
}

async function decrypt(call: Call, { version, fields, eek }: EekIn): Promise<Answer> {
  const name = textOf(fields, 'name')
  await requireOperation(call, ['DECRYPT_EEK'], 'DECRYPT_EEK', name)
  const { found, index } = await requireVersion(call, version, name)
  await requireKeyAccess(call, 'DECRYPT_EEK', found)
  requireIv(eek)
  const material = await withVersion(call, found, index, (eeks) => {
    const dataKey = eeks.apply(eek)
    const text = formatBytes(dataKey)
    dataKey.fill(0)
    return text
  })
  await record(call, { op: 'DECRYPT_EEK', key: found.name, version })
  return { body: { name: found.name, versionName: 'EK', material } }
}

async function reencrypt(call: Call, { version, fields, eek }: EekIn): Promise<Answer> {
  const name = textOf(fields, 'name')
  await requireOperation(call, ['GENERATE_EEK'], 'REENCRYPT_EEK', name)
  const { found, index } = await requireVersion(call, version, name)
  await requireKeyAccess(call, 'GENERATE_EEK', found)
  requireIv(eek)
  const newest = found.key.versions - 1
  const [carried = eek] = await carryOver(call, found, { from: index, to: newest, eeks: [eek] })
  await record(call, { op: 'REENCRYPT_EEK', key: found.name, version })
  return { body: describeEek(found.name, versionName(found.name, newest), carried) }
}

/** POST /key/{name}/_reencryptbatch: same order and length; one bad entry fails all. */
export async function reencryptBatchEndpoint(call: Call): Promise<Answer> {
  const { kms } = call
  const name = requireText(call.name, 'name')
  const list = parseList(call.body)
  const { maxBatch } = kms.settings()
  if (list.length > maxBatch) throw badRequest(`the body must hold at most ${maxBatch} keys`)
  const entries = list.map(readBatchEntry)
  await requireOperation(call, ['GENERATE_EEK'], 'REENCRYPT_EEK_BATCH', name)
  const checked: Checked[] = []
  for (const { version, eek } of entries) {
    if (parseVersionName(version)?.name !== name)
      throw badRequest(`All EncryptedKeys must be under the given key name ${name}`)
    const { index } = await requireVersion(call, version, name)
    checked.push({ index, version, eek })
  }
  const found = await kms.keys.directory.find(name)
  await requireKeyAccess(call, 'GENERATE_EEK', found)
  const body = found ? await carryAll(call, found, checked) : []
  const message = `reencrypted ${checked.length} keys`
  await record(call, { op: 'REENCRYPT_EEK_BATCH', key: name, count: checked.length, message })
  return { body }
}

interface Checked {
  readonly index: number
  readonly version: string
  readonly eek: Eek
}

/** Each version of the key is opened once, however many entries it has. */
async function carryAll(
  call: Call,
  found: LiveKey,
  entries: readonly Checked[],
): Promise<object[]> {
  const newest = found.key.versions - 1
  const carried = new Map<Checked, Eek>()
  for (const from of new Set(entries.map(({ index }) => index))) {
    if (from === newest) continue
    const group = entries.filter(({ index }) => index === from)
    const eeks = await carryOver(call, found, {
      from,
      to: newest,
      eeks: group.map(({ eek }) => eek),
    })
    for (const [i, entry] of group.entries()) carried.set(entry, eeks[i] ?? entry.eek)
  }
  return entries.map((entry) => {
    const eek = carried.get(entry)
    return eek
      ? describeEek(found.name, versionName(found.name, newest), eek)
      : describeEek(null, entry.version, entry.eek)
  })
}

/** Opened with one version and wrapped with another, under the same IVs: the files are encrypted with those too. */
async function carryOver(
  call: Call,
  found: LiveKey,
  { from, to, eeks }: { readonly from: number; readonly to: number; readonly eeks: readonly Eek[] },
): Promise<readonly Eek[]> {
  const dataKeys = await withVersion(call, found, from, (old) => eeks.map((eek) => old.apply(eek)))
  try {
    return await withVersion(call, found, to, (newest) =>
      eeks.map(({ iv }, i) => {
        const material = dataKeys[i] ?? Buffer.alloc(0)
        return { iv, material: newest.apply({ iv, material }) }
      }),
    )
  } finally {
    for (const dataKey of dataKeys) dataKey.fill(0)
  }
}

/** @throws RemoteError 400 when it does not exist or is of another key than `name`. */
async function requireVersion(
  { kms }: Call,
  version: string,
  name: string | undefined,
): Promise<{ readonly found: LiveKey; readonly index: number }> {
  const parsed = parseVersionName(version)
  const pending = parsed && kms.keys.directory.find(parsed.name)
  const found = pending instanceof Promise ? await pending : pending
  if (!parsed || !found || parsed.index >= found.key.versions)
    throw badRequest(`'${version}' not found`)
  if (name !== found.name)
    throw badRequest(`KeyVersion '${version}' does not belong to the key '${name ?? null}'`)
  return { found, index: parsed.index }
}

function withVersion<Result>(
  { kms }: Call,
  { name, key }: LiveKey,
  index: number,
  use: (eeks: EekCipher) => Result,
): Result | Promise<Result> {
  return kms.keys.versions.use({ name, uid: key.uid, index, cipher: key.cipher }, ({ eeks }) =>
    use(eeks),
  )
}

function readEek(fields: Fields): Eek {
  const iv = bytesOf(requirePresent(textOf(fields, 'iv'), 'iv'), 'iv')
  const material = bytesOf(requirePresent(textOf(fields, 'material'), 'material'), 'material')
  return { iv, material }
}

function readBatchEntry(fields: Fields): { readonly version: string; readonly eek: Eek } {
  const version = requireText(textOf(fields, 'versionName'), 'versionName')
  const inner = fields['encryptedKeyVersion']
  if (typeof inner !== 'object' || inner === null)
    throw badRequest("Parameter 'encryptedKeyVersion' cannot be null")
  const { material } = inner as Fields
  const eek = readEek({ iv: fields['iv'], material })
  requireIv(eek)
  return { version, eek }
}

/** observed: the original answers 500 with these words, and clients try the next instance. */
function requireIv({ iv }: Eek): void {
  if (iv.length === ivBytes) return
  const words = `Wrong IV length: must be ${ivBytes} bytes long`
  throw new RemoteError(500, 'io', `java.security.InvalidAlgorithmParameterException: ${words}`)
}

function record(
  call: Call,
  what: {
    readonly op: string
    readonly key: string
    readonly version?: string
    readonly count?: number
    readonly message?: string
  },
): Promise<void> {
  const { caller, peerAddress, requestId } = call
  const { op, key, version, count, message } = what
  const access = {
    status: 'OK' as const,
    op,
    key,
    version,
    count,
    message,
    caller,
    peerAddress,
    requestId,
  }
  return call.kms.audit.record(access)
}
