import type { HsmKeyId } from '@keyhsm/core'
import { type KeyKind, type KeyUse, usesOfKind } from '@keyhsm/hsm'
import { describe, expect, test } from 'vitest'
import { CKA, CKM } from '../src/constants.js'
import type { Attribute } from '../src/cryptoki.js'
import { pkcs11Profiles } from '../src/profiles.js'
import { type KeyTemplate, keyTemplate, type TemplateChoices } from '../src/templates.js'

const id = 'ab'.repeat(16) as HsmKeyId
const { softhsm, cloudhsm } = pkcs11Profiles
const choices: TemplateChoices = {
  differences: softhsm.templates,
  rsaKeyPairGen: CKM.rsaPkcsKeyPairGen,
  aes: softhsm.aes[0],
}

function template(kind: KeyKind, use: KeyUse, more: Partial<TemplateChoices> = {}): KeyTemplate {
  const made = keyTemplate({ id, label: 'key1', kind, use }, { ...choices, ...more })
  if (!made) throw new Error('no template')
  return made
}

function halves(made: KeyTemplate): { guarded: readonly Attribute[]; open?: readonly Attribute[] } {
  return 'secret' in made ? { guarded: made.secret } : { guarded: made.private, open: made.public }
}

function value(attributes: readonly Attribute[] | undefined, type: number) {
  return attributes?.find((attribute) => attribute.type === type)?.value
}

/** The uses that a template grants. */
function granted(attributes: readonly Attribute[]): number[] {
  const uses: number[] = [
    CKA.encrypt,
    CKA.decrypt,
    CKA.sign,
    CKA.verify,
    CKA.wrap,
    CKA.unwrap,
    CKA.derive,
  ]
  return uses.filter((use) => value(attributes, use) === true)
}

const everyUse = (Object.keys(usesOfKind) as KeyKind[]).flatMap((kind) =>
  usesOfKind[kind].map((use): [KeyKind, KeyUse] => [kind, use]),
)

describe.each(everyUse)('%s for %s', (kind, use) => {
  const { guarded, open } = halves(template(kind, use))

  test('is a token object that is sensitive, private and not extractable, and says so', () => {
    expect(value(guarded, CKA.token)).toBe(true)
    expect(value(guarded, CKA.private)).toBe(true)
    expect(value(guarded, CKA.sensitive)).toBe(true)
    expect(value(guarded, CKA.extractable)).toBe(false)
    expect(value(guarded, CKA.modifiable)).toBe(false)
  })

  test('carries id and label, on both halves of a pair', () => {
    for (const half of [guarded, ...(open ? [open] : [])]) {
      expect(value(half, CKA.id)).toEqual(Buffer.from(id, 'hex'))
      expect(value(half, CKA.label)).toBe('key1')
    }
  })

  test('states each attribute once', () => {
    for (const half of [guarded, ...(open ? [open] : [])]) {
      const types = half.map((attribute) => attribute.type)
      expect(new Set(types).size).toBe(types.length)
    }
  })
})

test.each([
  ['ec-p256', 'wrap', [CKA.derive], []],
  ['ec-p256', 'sign', [CKA.sign], [CKA.verify]],
  ['rsa-2048', 'wrap', [CKA.decrypt], [CKA.encrypt]],
  ['rsa-3072', 'wrap', [CKA.decrypt], [CKA.encrypt]],
  ['aes-256', 'wrap', [CKA.encrypt, CKA.decrypt], undefined],
  ['hmac-sha256', 'authenticate', [CKA.sign], undefined],
  ['cmac-aes-256', 'authenticate', [CKA.sign], undefined],
] as const)('%s for %s grants only its use', (kind, use, expected, publicUses) => {
  const { guarded, open } = halves(template(kind, use))
  expect(granted(guarded)).toEqual(expected)
  expect(open && granted(open)).toEqual(publicUses)
})

test('a public half is a visible token object', () => {
  const { open } = halves(template('ec-p256', 'wrap'))
  expect(value(open, CKA.token)).toBe(true)
  expect(value(open, CKA.private)).toBe(false)
})

test('the modulus length stands in the public half only', () => {
  const { guarded, open } = halves(template('rsa-3072', 'wrap'))
  expect(value(open, CKA.modulusBits)).toBe(3072)
  expect(value(guarded, CKA.modulusBits)).toBeUndefined()
})

test('an AES key for KWP by C_WrapKey wraps and does not encrypt', () => {
  const { guarded } = halves(template('aes-256', 'wrap', { aes: softhsm.aes[1] }))
  expect(granted(guarded)).toEqual([CKA.wrap, CKA.unwrap])
})

test('CloudHSM is not told what it refuses to hear', () => {
  const differences = cloudhsm.templates
  for (const [kind, use] of everyUse) {
    const { guarded } = halves(template(kind, use, { differences }))
    expect(value(guarded, CKA.private)).toBeUndefined()
    expect(value(guarded, CKA.modifiable)).toBeUndefined()
    expect(value(guarded, CKA.extractable)).toBe(false)
  }
})

test('the mechanism for RSA pairs is the one that was found', () => {
  expect(template('rsa-2048', 'wrap', { rsaKeyPairGen: 0x80000143 }).mechanism).toEqual({
    mechanism: 0x80000143,
  })
})

test('a use that the kind has not gives no template', () => {
  const spec = { id, label: 'x', kind: 'hmac-sha256', use: 'wrap' } as const
  expect(keyTemplate(spec, choices)).toBeUndefined()
})
