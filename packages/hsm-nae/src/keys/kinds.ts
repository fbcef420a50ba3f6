/** Kinds of HSM key as the appliance names them. */
import { type KeyKind, type KeySpec, type KeyUse, usesOfKind } from '@keyhsm/hsm'
import type { ValueKey } from '../dialect/dialect.js'
import type { NaeDialect } from '../dialect/dialect.js'
import type { NaeKeyInfo, NewNaeKey } from '../messages/keys.js'
import { labelAttribute, toKeyName, useAttribute } from './key-names.js'

interface KindRow {
  readonly algorithm: ValueKey
  readonly bits: number | undefined
  readonly curve: ValueKey | undefined
}

/** An AES key of use `authenticate` is `cmac-aes-256`: the appliance does not tell the two apart. */
export const kindRows: Readonly<Record<KeyKind, KindRow>> = {
  'ec-p256': { algorithm: 'ecKey', bits: undefined, curve: 'curveP256' },
  'rsa-2048': { algorithm: 'rsaKey', bits: 2048, curve: undefined },
  'rsa-3072': { algorithm: 'rsaKey', bits: 3072, curve: undefined },
  'aes-256': { algorithm: 'aesKey', bits: 256, curve: undefined },
  'hmac-sha256': { algorithm: 'hmacKey', bits: 256, curve: undefined },
  'cmac-aes-256': { algorithm: 'aesKey', bits: 256, curve: undefined },
}

/** What to ask the appliance for. */
export function toNewKey(dialect: NaeDialect, spec: KeySpec): NewNaeKey {
  const { algorithm, bits, curve } = kindRows[spec.kind]
  return {
    name: toKeyName(spec.id),
    algorithm: dialect.values[algorithm],
    bits,
    curve: curve && dialect.values[curve],
    attributes: { [labelAttribute]: spec.label, [useAttribute]: spec.use },
  }
}

/**
 * Kind and use of a key that the appliance describes; undefined when it is none of ours. `Algorithm` may hold the size too
 * (`AES-256`), and the size of an EC or HMAC key may be missing.
 */
export function toKindAndUse(
  dialect: NaeDialect,
  info: NaeKeyInfo,
): { kind: KeyKind; use: KeyUse } | undefined {
  const told = info.attributes.get(useAttribute)
  for (const [kind, row] of Object.entries(kindRows) as [KeyKind, KindRow][]) {
    if (!isAlgorithm(dialect, row, info)) continue
    const uses: readonly KeyUse[] = usesOfKind[kind]
    const use = uses.find((each) => each === told) ?? (told === undefined ? uses[0] : undefined)
    if (use) return { kind, use }
  }
  return undefined
}

function isAlgorithm({ values }: NaeDialect, row: KindRow, info: NaeKeyInfo): boolean {
  const name = values[row.algorithm].toLowerCase()
  const told = info.algorithm.toLowerCase()
  if (told === `${name}-${row.bits}`) return true
  if (told !== name) return false
  return row.bits === undefined || row.bits === info.bits || row.algorithm === 'hmacKey'
}
