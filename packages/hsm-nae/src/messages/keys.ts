/** Messages about keys. @see docs/protocols/nae-xml.md#keys */
import type { NaeRequest } from '../connection/nae-link.js'
import type { NaeDialect } from '../dialect/dialect.js'
import { branch, descendants, findChild, findText, leaf, type XmlElement } from '../xml/element.js'

export interface NewNaeKey {
  readonly name: string
  readonly algorithm: string
  readonly bits: number | undefined
  readonly curve: string | undefined
  readonly attributes: Readonly<Record<string, string>>
}

/** Deletable, because absence of that flag means never; not exportable, because absence of that one means never. */
export function keyGenRequest({ names }: NaeDialect, key: NewNaeKey): NaeRequest {
  const attributes = Object.entries(key.attributes).map(([name, value]) =>
    branch(names.customAttribute, [
      leaf(names.attributeName, name),
      leaf(names.attributeValue, value),
    ]),
  )
  return {
    request: 'keyGenRequest',
    response: 'keyGenResponse',
    children: [
      leaf(names.keyName, key.name),
      key.bits === undefined ? undefined : leaf(names.keySize, String(key.bits)),
      leaf(names.algorithm, key.algorithm),
      key.curve === undefined ? undefined : leaf(names.curveId, key.curve),
      leaf(names.deletable),
      attributes.length === 0 ? undefined : branch(names.customAttributeList, attributes),
    ],
  }
}

/** Deletes a key that was made deletable. */
export function keyDelRequest({ names }: NaeDialect, name: string): NaeRequest {
  return {
    request: 'keyDelRequest',
    response: 'keyDelResponse',
    children: [leaf(names.keyName, name)],
  }
}

/** Asks for everything but the bytes of a key. */
export function keyInfoRequest({ names }: NaeDialect, name: string): NaeRequest {
  return {
    request: 'keyInfoRequest',
    response: 'keyInfoResponse',
    children: [leaf(names.keyName, name)],
  }
}

/** One page of the names of all keys that the user may see. */
export function keyNamesRequest({ names }: NaeDialect, offset: number, max: number): NaeRequest {
  return {
    request: 'keyNamesRequest',
    response: 'keyNamesResponse',
    children: [leaf(names.keyOffset, String(offset)), leaf(names.maxKeys, String(max))],
  }
}

/** Asks for the public half of a pair. */
export function publicKeyExportRequest({ names }: NaeDialect, name: string): NaeRequest {
  return {
    request: 'publicKeyExportRequest',
    response: 'publicKeyExportResponse',
    children: [leaf(names.keyName, name)],
  }
}

export type KeyVersionState = 'active' | 'restricted' | 'retired' | 'wiped'

/** Sets the state of one version. `wiped` is possible only after `retired`, and final. */
export function keyVersionModifyRequest(
  { names, values }: NaeDialect,
  name: string,
  version: string,
  state: KeyVersionState,
): NaeRequest {
  return {
    request: 'keyVersionModifyRequest',
    response: 'keyVersionModifyResponse',
    children: [
      leaf(names.keyName, name),
      leaf(names.versionNumber, version),
      leaf(names.keyVersionState, values[state]),
    ],
  }
}

/** What KeyInfoResponse says of a key. */
export interface NaeKeyInfo {
  readonly algorithm: string
  readonly bits: number | undefined
  readonly attributes: ReadonlyMap<string, string>
  /** Of a versioned key, in the order of the answer; empty for others. */
  readonly versions: readonly { readonly number: string; readonly state: KeyVersionState }[]
}

/** Reads what it knows and passes over everything else, because appliances say more than is documented. */
export function parseKeyInfo({ names, values }: NaeDialect, element: XmlElement): NaeKeyInfo {
  const attributes = descendants(element, names.customAttribute).map(
    (each) =>
      [
        findText(each, names.attributeName) ?? '',
        findText(each, names.attributeValue) ?? '',
      ] as const,
  )
  const states = ['active', 'restricted', 'retired', 'wiped'] as const
  const versions = descendants(element, names.keyVersion).flatMap((each) => {
    const told = findText(each, names.keyVersionState)?.toLowerCase()
    const state = states.find((name) => values[name].toLowerCase() === told)
    const number = findText(each, names.versionNumber)
    return state && number !== undefined ? [{ number, state }] : []
  })
  const bits = Number(findText(element, names.keySize))
  return {
    algorithm: findText(element, names.algorithm) ?? '',
    bits: Number.isSafeInteger(bits) && bits > 0 ? bits : undefined,
    attributes: new Map(attributes),
    versions,
  }
}

/** The names of a page. */
export function parseKeyNames({ names }: NaeDialect, element: XmlElement): string[] {
  const list = findChild(element, names.keyNames) ?? element
  return descendants(list, names.keyName).map(({ text }) => text)
}

/** The PEM text of an exported public key, wherever in the answer it stands. */
export function parsePublicKeyPem(element: XmlElement): string | undefined {
  if (element.text.includes('-----BEGIN')) return element.text
  for (const child of element.children) {
    const found = parsePublicKeyPem(child)
    if (found !== undefined) return found
  }
  return undefined
}
