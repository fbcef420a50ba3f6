/** A zone key on its way in or out: everything that Hadoop knows of it. */
import { DomainError } from '@keyhsm/core'
import Type from 'typebox'
import { Compile } from 'typebox/compile'

export interface SourceKey {
  readonly name: string
  readonly cipher: string
  readonly bits: number
  readonly description: string | null
  readonly attributes: Readonly<Record<string, string>>
  /** Milliseconds since 1970. */
  readonly createdAt: number
  /** Material of `name@0`, `name@1`, …; wiped by whoever asked for the key. */
  readonly versions: readonly Buffer[]
}

/** A key's description, before its versions are read. */
export type SourceDescription = Omit<SourceKey, 'versions'> & { readonly count: number }

/** Where keys come from. `read` may be called for any of the names, in any order. */
export interface KeySource {
  names(): Promise<readonly string[]>
  /** @throws ERR_NOT_FOUND, ERR_INTEGRITY for what is no key; the codes of being unable to ask. */
  read(name: string): Promise<SourceKey>
  close(): Promise<void>
}

export function wipeSource({ versions }: SourceKey): void {
  for (const material of versions) material.fill(0)
}

/** A description in JSON, in replies and in keystores alike but for the name of the length. */
const DescriptionField = Type.Object({
  cipher: Type.String({ minLength: 1, maxLength: 64 }),
  bits: Type.Integer({ minimum: 8, maximum: 4096, multipleOf: 8 }),
  description: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  attributes: Type.Optional(Type.Union([Type.Record(Type.String(), Type.String()), Type.Null()])),
  created: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  versions: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
})
const descriptionCheck = Compile(DescriptionField)

/**
 * The description of one key as Hadoop writes it.
 * @throws ERR_INTEGRITY naming the key and what is wrong.
 */
export function parseDescription(
  name: string,
  fields: Readonly<Record<string, unknown>>,
  lengthField: string,
): SourceDescription {
  const value = { ...fields, bits: fields[lengthField] }
  if (!descriptionCheck.Check(value)) {
    const [first] = descriptionCheck.Errors(value)
    const what = first?.instancePath.slice(1).replace('bits', lengthField)
    throw new DomainError('ERR_INTEGRITY', `the description of ${name} is damaged: ${what}`)
  }
  const { cipher, bits, description, attributes, created, versions } = value
  return {
    name,
    cipher,
    bits,
    description: description ?? null,
    attributes: { ...attributes },
    createdAt: created,
    count: versions,
  }
}

/** @throws ERR_INTEGRITY unless every version has as many bits as the description says. */
export function toSourceKey(
  { count, ...description }: SourceDescription,
  versions: readonly Buffer[],
): SourceKey {
  const { name, bits } = description
  if (versions.length !== count)
    throw new DomainError(
      'ERR_INTEGRITY',
      `${name} has ${versions.length} versions and says ${count}`,
    )
  if (!versions.every((material) => material.length * 8 === bits))
    throw new DomainError('ERR_INTEGRITY', `a version of ${name} has not ${bits} bits`)
  return { ...description, versions }
}
