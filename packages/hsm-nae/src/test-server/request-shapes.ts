/** What may stand in each request, in the documented order: strict mode refuses everything else. */
import type { NaeDialect, NameKey } from '../dialect/dialect.js'
import type { XmlElement } from '../xml/element.js'
import { Refusal } from './refusal.js'

/** Children after the ID. A name with `?` may be missing. */
const shapes: Readonly<Partial<Record<NameKey, readonly (NameKey | `${NameKey}?`)[]>>> = {
  versionRequest: ['messageVersion', 'versionList'],
  authRequest: ['authUser', 'authPassword'],
  deviceInfoRequest: [],
  keyGenRequest: [
    'keyName?',
    'keySize?',
    'algorithm',
    'curveId?',
    'versionedKey?',
    'keyVersionState?',
    'exportable?',
    'deletable?',
    'customAttributeList?',
  ],
  keyDelRequest: ['keyName'],
  keyInfoRequest: ['keyName'],
  keyNamesRequest: ['keyOffset?', 'maxKeys?'],
  keyVersionGenRequest: ['keyName'],
  keyVersionModifyRequest: ['keyName', 'versionNumber', 'keyVersionState'],
  publicKeyExportRequest: ['keyName'],
  cryptoRequest: ['action', 'keyName', 'algorithm', 'iv?', 'tagLength?', 'aad?'],
  randGenRequest: ['size'],
}

/** @throws Refusal when the children are not those of the document in its order */
export function checkShape({ names }: NaeDialect, request: NameKey, element: XmlElement): void {
  const left = element.children.map(({ name }) => name)
  if (left[0] === names.id) left.shift()
  for (const part of shapes[request] ?? []) {
    const optional = part.endsWith('?')
    const name = names[(optional ? part.slice(0, -1) : part) as NameKey]
    if (left[0] === name) left.shift()
    else if (!optional) throw new Refusal('unexpected')
  }
  if (left.length > 0) throw new Refusal('unexpected')
}

/** The request that an element is, by the dialect. */
export function findRequest({ names }: NaeDialect, element: XmlElement): NameKey | undefined {
  return (Object.keys(shapes) as NameKey[]).find((key) => names[key] === element.name)
}
