/** The keys of a running KMS, with their material: as a user who has the ACLs GET_KEYS, GET_METADATA and GET there. */
import { DomainError, hasCode } from '@keyhsm/core'
import { versionName } from '../api/names.js'
import type { OldKms } from './old-kms.js'
import { type KeySource, parseDescription, type SourceKey, toSourceKey } from './source-key.js'

type Fields = Readonly<Record<string, unknown>>

export function kmsSource(kms: Pick<OldKms, 'get' | 'close'>): KeySource {
  return {
    async names() {
      const names = await kms.get('/keys/names')
      if (!isTexts(names)) throw strange('its list of names')
      return [...names].sort()
    },
    read: (name) => readKey(kms, name),
    close: async () => kms.close(),
  }
}

async function readKey(kms: Pick<OldKms, 'get'>, name: string): Promise<SourceKey> {
  const at = `/key/${encodeURIComponent(name)}`
  const found = await kms.get(`${at}/_metadata`)
  if (!isFields(found)) throw strange(`its description of ${name}`)
  if (Object.keys(found).length === 0)
    throw new DomainError('ERR_NOT_FOUND', `the KMS has no key ${name}`)
  if (found['name'] !== name) throw strange(`its description of ${name}`)
  const description = parseDescription(name, found, 'length')
  const versions = await kms.get(`${at}/_versions`).catch((error: unknown) => {
    throw withAclHint(error)
  })
  if (!Array.isArray(versions)) throw strange(`its versions of ${name}`)
  return toSourceKey(
    description,
    versions.map((version, index) => readMaterial(version, name, index)),
  )
}

/** Versions must stand in their order and be called as Hadoop calls them: files name them. */
function readMaterial(version: unknown, name: string, index: number): Buffer {
  if (!isFields(version) || version['versionName'] !== versionName(name, index))
    throw strange(`version ${index} of ${name}`)
  const { material } = version
  if (typeof material !== 'string')
    throw new DomainError(
      'ERR_NOT_ALLOWED',
      `the KMS does not show the material of ${name}`,
      aclHint,
    )
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(material)) throw strange(`version ${index} of ${name}`)
  return Buffer.from(material, 'base64')
}

const aclHint = {
  hints: ['give the user the GET ACL of the KMS (hadoop.kms.acl.GET) and READ of the key'],
}

function withAclHint(error: unknown): unknown {
  if (!hasCode(error, 'ERR_NOT_ALLOWED')) return error
  return new DomainError(error.code, error.message, { cause: error, ...aclHint })
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

function strange(what: string): DomainError {
  return new DomainError('ERR_INTEGRITY', `the KMS answered something strange: ${what}`)
}
