/**
 * The template of every kind and use of HSM key: what C_GenerateKey and C_GenerateKeyPair are given. Sensitive and not
 * extractable are always stated (nShield refuses keys that leave them open), a key has exactly one use, and a profile
 * leaves out what its device refuses.
 * @see PKCS#11 v2.40 Base §4.7 to §4.10
 */
import type { KeyKind, KeySpec, KeyUse } from '@keyhsm/hsm'
import { CKA, CKK, CKM, CKO, p256Params } from './constants.js'
import type { Attribute, MechanismSpec } from './cryptoki.js'
import type { AesWrap, TemplateDifferences } from './profile.js'

/** How a key is generated: one template for a secret key, two for a pair. */
export type KeyTemplate =
  | { readonly mechanism: MechanismSpec; readonly secret: readonly Attribute[] }
  | {
      readonly mechanism: MechanismSpec
      readonly public: readonly Attribute[]
      readonly private: readonly Attribute[]
    }

/** What the templates depend on besides the key itself: the profile's differences and what the probe chose. */
export interface TemplateChoices {
  readonly differences: TemplateDifferences
  readonly rsaKeyPairGen: number
  readonly aes: AesWrap | undefined
}

interface PairRecipe {
  readonly mechanism: number | 'rsa'
  /** What the public template says besides its uses. */
  readonly parameters: readonly Attribute[]
  readonly publicUses: readonly number[]
  readonly privateUses: readonly number[]
}

interface SecretRecipe {
  readonly mechanism: number
  readonly uses: readonly number[] | 'aes-wrap'
}

/**
 * Every use a class of key can have. All are stated, the others as false, because a library's own default is often true
 * (observed: SoftHSM 2.6.1 lets an EC private key decrypt, sign and unwrap unless it is told not to).
 */
const publicUses = [CKA.encrypt, CKA.verify, CKA.wrap] as const
const privateUses = [CKA.decrypt, CKA.sign, CKA.unwrap, CKA.derive] as const
const secretUses = [
  CKA.encrypt,
  CKA.decrypt,
  CKA.sign,
  CKA.verify,
  CKA.wrap,
  CKA.unwrap,
  CKA.derive,
] as const

const on = (type: number): Attribute => ({ type, value: true })
const off = (type: number): Attribute => ({ type, value: false })
const p256: Attribute = { type: CKA.ecParams, value: p256Params }
const bytes32: Attribute = { type: CKA.valueLen, value: 32 }

/** 65537: e = 3 is refused by devices in FIPS mode. */
const publicExponent: Attribute = { type: CKA.publicExponent, value: Buffer.from([1, 0, 1]) }

function rsa(modulusBits: number): PairRecipe {
  return {
    mechanism: 'rsa',
    // The length stands in the public template only: CloudHSM silently makes an unusable key from a private one with it.
    parameters: [{ type: CKA.modulusBits, value: modulusBits }, publicExponent],
    publicUses: [CKA.encrypt],
    privateUses: [CKA.decrypt],
  }
}

function ec(privateUse: number, ...publicUse: number[]): PairRecipe {
  return {
    mechanism: CKM.ecKeyPairGen,
    parameters: [p256],
    publicUses: publicUse,
    privateUses: [privateUse],
  }
}

const recipes: Readonly<Record<`${KeyKind} ${KeyUse}`, PairRecipe | SecretRecipe | undefined>> = {
  'ec-p256 wrap': ec(CKA.derive),
  'ec-p256 sign': ec(CKA.sign, CKA.verify),
  'rsa-2048 wrap': rsa(2048),
  'rsa-3072 wrap': rsa(3072),
  'aes-256 wrap': { mechanism: CKM.aesKeyGen, uses: 'aes-wrap' },
  'hmac-sha256 authenticate': { mechanism: CKM.genericSecretKeyGen, uses: [CKA.sign] },
  'cmac-aes-256 authenticate': { mechanism: CKM.aesKeyGen, uses: [CKA.sign] },
  ...noRecipe('ec-p256 authenticate', 'rsa-2048 authenticate', 'rsa-2048 sign'),
  ...noRecipe('rsa-3072 authenticate', 'rsa-3072 sign', 'aes-256 authenticate', 'aes-256 sign'),
  ...noRecipe('hmac-sha256 wrap', 'hmac-sha256 sign', 'cmac-aes-256 wrap', 'cmac-aes-256 sign'),
}

function noRecipe<Name extends string>(...names: Name[]): Record<Name, undefined> {
  return Object.fromEntries(names.map((name) => [name, undefined])) as Record<Name, undefined>
}

/** The template of `spec`, or undefined when no such key is made (the kind has not that use). */
export function keyTemplate(spec: KeySpec, choices: TemplateChoices): KeyTemplate | undefined {
  const recipe = recipes[`${spec.kind} ${spec.use}`]
  if (!recipe) return undefined
  const named = nameAttributes(spec)
  const asked = { ...choices, renamable: spec.renamable === true }
  if ('uses' in recipe) return secretTemplate(recipe, named, asked)
  return pairTemplate(recipe, named, asked)
}

type Choices = TemplateChoices & { readonly renamable: boolean }

function nameAttributes(spec: KeySpec): readonly Attribute[] {
  return [
    on(CKA.token),
    { type: CKA.label, value: spec.label },
    { type: CKA.id, value: Buffer.from(spec.id, 'hex') },
  ]
}

function secretTemplate(
  recipe: SecretRecipe,
  named: readonly Attribute[],
  choices: Choices,
): KeyTemplate {
  const { differences, aes } = choices
  const uses = recipe.uses === 'aes-wrap' ? aesUses(aes) : recipe.uses
  const secret = [...named, ...guarded(choices), bytes32, ...stated(secretUses, uses)]
  return {
    mechanism: { mechanism: recipe.mechanism },
    secret: without(secret, differences.omitSecret),
  }
}

function pairTemplate(
  recipe: PairRecipe,
  named: readonly Attribute[],
  choices: Choices,
): KeyTemplate {
  const { differences, rsaKeyPairGen } = choices
  const mechanism = recipe.mechanism === 'rsa' ? rsaKeyPairGen : recipe.mechanism
  const publicHalf = [
    ...named,
    off(CKA.private),
    ...(choices.renamable ? [on(CKA.modifiable)] : []),
    ...recipe.parameters,
    ...stated(publicUses, recipe.publicUses),
  ]
  const privateHalf = [...named, ...guarded(choices), ...stated(privateUses, recipe.privateUses)]
  return {
    mechanism: { mechanism },
    public: without(publicHalf, differences.omitPublic),
    private: without(privateHalf, differences.omitPrivate),
  }
}

/** A key that will be renamed stays modifiable for ever; what it may do and that it cannot leave the device stay fixed. */
function guarded({ differences, renamable }: Choices): Attribute[] {
  const attributes = [on(CKA.private), on(CKA.sensitive), off(CKA.extractable)]
  const modifiable = { type: CKA.modifiable, value: renamable }
  return differences.statesModifiable ? [...attributes, modifiable] : attributes
}

/** Never both encrypt and wrap: a device that could do both on one key could be talked into decrypting a wrapped key. */
function aesUses(aes: AesWrap | undefined): readonly number[] {
  const wrapsKeys = aes?.algorithm === 'aes-256-kwp' && aes.through === 'wrap-key'
  return wrapsKeys ? [CKA.wrap, CKA.unwrap] : [CKA.encrypt, CKA.decrypt]
}

function stated(all: readonly number[], wanted: readonly number[]): Attribute[] {
  return all.map((type) => ({ type, value: wanted.includes(type) }))
}

function without(attributes: readonly Attribute[], omitted: readonly number[]): Attribute[] {
  return attributes.filter((attribute) => !omitted.includes(attribute.type))
}

/** A session object that lives for one derivation: its value must be readable, so it never becomes a token object. */
export const derivedSecretTemplate: readonly Attribute[] = [
  { type: CKA.class, value: CKO.secretKey },
  { type: CKA.keyType, value: CKK.genericSecret },
  bytes32,
  off(CKA.token),
  on(CKA.extractable),
  off(CKA.sensitive),
]

/** A content key as a session object, for devices whose KWP takes only objects. */
export const contentKeyTemplate: readonly Attribute[] = [
  { type: CKA.class, value: CKO.secretKey },
  { type: CKA.keyType, value: CKK.genericSecret },
  off(CKA.token),
  on(CKA.extractable),
  off(CKA.sensitive),
]
