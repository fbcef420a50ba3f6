/**
 * Every name that goes over the wire, in one table. Much of NAE-XML is public only in part: rows marked "assumed" were
 * found in no public document, and an appliance may call them otherwise. Each row can be overridden by a setting, and
 * `keyhsm nae-probe` shows what an appliance really answers. The test server reads the same table.
 *
 * @see docs/protocols/nae-xml.md, which says of each row where it comes from
 */
import { DomainError, type FieldFault } from '@keyhsm/core'

/** Defaults: documented by the vendor for CipherTrust Manager and KeySecure, or assumed where the comment says so. */
export const defaultNames = {
  // Common to all messages.
  id: 'ID',
  success: 'Success',
  fatalError: 'FatalError',
  errorString: 'ErrorString',
  // The session.
  versionRequest: 'VersionRequest',
  versionResponse: 'VersionResponse',
  messageVersion: 'MessageVersion',
  versionList: 'VersionList',
  version: 'Version',
  authRequest: 'AuthRequest',
  authResponse: 'AuthResponse',
  authUser: 'Username', // assumed; user requests have `User`
  authPassword: 'Passwd', // assumed for this request; documented for user requests
  deviceInfoRequest: 'DeviceInfoRequest',
  deviceInfoResponse: 'DeviceInfoResponse',
  // Keys.
  keyGenRequest: 'KeyGenRequest',
  keyGenResponse: 'KeyGenResponse',
  keyDelRequest: 'KeyDelRequest',
  keyDelResponse: 'KeyDelResponse',
  keyInfoRequest: 'KeyInfoRequest',
  keyInfoResponse: 'KeyInfoResponse',
  keyNamesRequest: 'KeyNamesRequest',
  keyNamesResponse: 'KeyNamesResponse',
  keyVersionGenRequest: 'KeyVersionGenRequest',
  keyVersionGenResponse: 'KeyVersionGenResponse',
  keyVersionModifyRequest: 'KeyVersionModifyRequest',
  keyVersionModifyResponse: 'KeyVersionModifyResponse',
  publicKeyExportRequest: 'PublicKeyExportRequest',
  publicKeyExportResponse: 'PublicKeyExportResponse',
  keyName: 'KeyName',
  keySize: 'KeySize',
  algorithm: 'Algorithm',
  curveId: 'CurveID',
  versionedKey: 'VersionedKey',
  deletable: 'Deletable',
  exportable: 'Exportable',
  customAttributeList: 'CustomAttributeList',
  customAttribute: 'CustomAttribute',
  attributeName: 'Name',
  attributeValue: 'Value',
  keyNames: 'KeyNames', // assumed
  keyOffset: 'KeyOffset', // assumed
  maxKeys: 'MaxKeys', // assumed
  keyVersions: 'KeyVersions', // assumed
  keyVersion: 'KeyVersion', // assumed
  versionNumber: 'VersionNumber', // assumed
  keyVersionState: 'KeyVersionState',
  keyData: 'KeyData',
  // Crypto.
  cryptoRequest: 'CryptoRequest',
  cryptoResponse: 'CryptoResponse',
  randGenRequest: 'RandGenRequest',
  randGenResponse: 'RandGenResponse',
  size: 'Size',
  action: 'Action', // assumed
  iv: 'IV', // assumed
  aad: 'AAD', // assumed
  tagLength: 'AuthTagLength', // assumed
} as const satisfies Record<string, string>

/** What stands inside elements: actions, algorithms, states. The algorithm strings are from public samples. */
export const defaultValues = {
  encrypt: 'Encrypt', // assumed spelling of a documented action
  decrypt: 'Decrypt', // assumed spelling
  mac: 'MAC', // assumed spelling
  sign: 'Sign', // assumed spelling
  rsaKey: 'RSA',
  aesKey: 'AES',
  ecKey: 'EC',
  hmacKey: 'HMAC-SHA256', // assumed
  curveP256: 'prime256v1', // assumed
  oaepSha256: 'RSA/None/PKCS1OAEPPaddingSHA256', // assumed from the SHA-384 form, which is in public samples
  oaepSha1: 'RSA/None/PKCS1OAEPPadding', // assumed
  aesGcm: 'AES/GCM/NoPadding',
  aesCbc: 'AES/CBC/NoPadding',
  hmacSha256: 'HmacSHA256', // assumed
  ecdsaSha256: 'SHA256withECDSA', // assumed
  active: 'Active',
  restricted: 'Restricted',
  retired: 'Retired',
  wiped: 'Wiped',
} as const satisfies Record<string, string>

export type NameKey = keyof typeof defaultNames
export type ValueKey = keyof typeof defaultValues

export interface NaeDialect {
  readonly names: Readonly<Record<NameKey, string>>
  readonly values: Readonly<Record<ValueKey, string>>
  /** Protocol versions offered, the preferred one first. */
  readonly versions: readonly string[]
}

/** Versions of CipherTrust Manager first, then those of Classic KeySecure. */
const defaultVersions = ['7.0', '6.9', '6.3', '6.0', '3.1', '3.0', '2.10', '2.2']

export const defaultDialect: NaeDialect = {
  names: defaultNames,
  values: defaultValues,
  versions: defaultVersions,
}

const elementName = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/
const printable = /^[!-~]{1,64}$/
const versionText = /^[0-9]{1,2}\.[0-9]{1,2}$/

/**
 * The dialect with overrides: `authUser=User, oaepSha256=RSA/None/OAEP256, versions=3.1 2.10`. Keys are those of
 * {@link defaultNames} and {@link defaultValues}.
 * @throws ERR_SETTINGS with every fault.
 */
export function parseDialect(text: string, field = 'dialect'): NaeDialect {
  const names: Record<string, string> = { ...defaultNames }
  const values: Record<string, string> = { ...defaultValues }
  let versions: readonly string[] = defaultVersions
  const faults: FieldFault[] = []
  for (const { key, value } of splitOverrides(text)) {
    const rule = checkOverride(key, value)
    if (rule !== undefined) faults.push({ field, rule })
    else if (key === 'versions') versions = value.split(/\s+/)
    else if (Object.hasOwn(defaultNames, key)) names[key] = value
    else values[key] = value
  }
  if (faults.length === 0) return { names, values, versions } as NaeDialect
  const detail = faults.map((fault) => `${fault.field} ${fault.rule}`).join('; ')
  throw new DomainError('ERR_SETTINGS', detail, { faults })
}

function splitOverrides(text: string): { key: string; value: string }[] {
  const parts = text.split(',').map((part) => part.trim())
  return parts
    .filter((part) => part !== '')
    .map((part) => {
      const [, key = part, value = ''] = /^([^=]*?)\s*=\s*(.*)$/.exec(part) ?? []
      return { key, value }
    })
}

/** The rule that an override breaks. */
function checkOverride(key: string, value: string): string | undefined {
  if (key === 'versions') {
    const all = value.split(/\s+/)
    return all.every((each) => versionText.test(each))
      ? undefined
      : 'versions must be numbers such as 2.10, separated by spaces'
  }
  if (Object.hasOwn(defaultNames, key)) {
    return elementName.test(value) ? undefined : `${key} must be the name of an XML element`
  }
  if (Object.hasOwn(defaultValues, key)) {
    return printable.test(value) ? undefined : `${key} must be 1 to 64 printable characters`
  }
  return `"${key.slice(0, 40)}" is no name of the dialect`
}
