/** Everything that makes an instance the client it is, in one file for the next instance: settings, certificate and the three keys. */
import { DomainError, invalidInput } from '@keyhsm/core'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'

/** Files of a client's folder. The settings come last: they make the others true. */
export const clientFiles = [
  'client.key',
  'identity.key',
  'age.key',
  'client.pem',
  'client.json',
] as const

const BundleField = Type.Object(
  {
    format: Type.Literal('keytrustee-kms identity'),
    version: Type.Literal(1),
    files: Type.Object(
      Object.fromEntries(clientFiles.map((name) => [name, Type.String({ maxLength: 65_536 })])),
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
)
const check = Compile(BundleField)

export type Bundle = Static<typeof BundleField>

/** The text of a bundle; it holds private keys. */
export function formatBundle(files: Readonly<Record<string, string>>): string {
  return `${JSON.stringify({ format: 'keytrustee-kms identity', version: 1, files }, undefined, 2)}\n`
}

/** @throws ERR_INVALID_INPUT for anything but a bundle. */
export function parseBundle(bytes: Buffer): Readonly<Record<string, string>> {
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw new DomainError(
      'ERR_INVALID_INPUT',
      '--join must be a file that `keytrustee-kms identity` wrote',
      { cause },
    )
  }
  if (!check.Check(value))
    throw invalidInput('--join', 'must be a file that `keytrustee-kms identity` wrote')
  return value.files
}
