/**
 * The raw operations: exactly the calls of PKCS#11 that the product makes for one wrap, unwrap, key or MAC, with the
 * same mechanisms and lengths, and nothing around them. `prepare` makes what can be made once.
 */
import { randomBytes } from 'node:crypto'
import pkcs11js from 'pkcs11js'

const { CKA_CLASS, CKA_DERIVE, CKA_EC_PARAMS, CKA_ENCRYPT, CKA_DECRYPT, CKA_EXTRACTABLE } = pkcs11js
const { CKA_ID, CKA_KEY_TYPE, CKA_LABEL, CKA_MODULUS_BITS, CKA_PRIVATE, CKA_PUBLIC_EXPONENT } =
  pkcs11js
const { CKA_SENSITIVE, CKA_SIGN, CKA_TOKEN, CKA_VALUE, CKA_VALUE_LEN, CKA_EC_POINT } = pkcs11js
const { CKM_AES_GCM, CKM_AES_KEY_GEN, CKM_EC_KEY_PAIR_GEN, CKM_ECDH1_DERIVE } = pkcs11js
const { CKM_GENERIC_SECRET_KEY_GEN, CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS_OAEP } = pkcs11js
const { CKM_SHA256_HMAC, CKM_SHA_1, CKO_SECRET_KEY, CKK_GENERIC_SECRET } = pkcs11js
const { CK_PARAMS_AES_GCM, CK_PARAMS_EC_DH, CK_PARAMS_RSA_OAEP, CKG_MGF1_SHA1 } = pkcs11js

const p256 = Buffer.from('06082a8648ce3d030107', 'hex')
/** A content key, and the associated data of the product's AES wraps. */
const contentKeyBytes = 32
const associatedDataBytes = 67

const oaep = {
  mechanism: CKM_RSA_PKCS_OAEP,
  parameter: { type: CK_PARAMS_RSA_OAEP, hashAlg: CKM_SHA_1, mgf: CKG_MGF1_SHA1, source: 1 },
}

function gcm() {
  const parameter = {
    type: CK_PARAMS_AES_GCM,
    iv: randomBytes(12),
    ivBits: 96,
    aad: randomBytes(associatedDataBytes),
    tagBits: 128,
  }
  return { mechanism: CKM_AES_GCM, parameter }
}

const guarded = [
  { type: CKA_PRIVATE, value: true },
  { type: CKA_SENSITIVE, value: true },
  { type: CKA_EXTRACTABLE, value: false },
]

function named(label) {
  return [
    { type: CKA_TOKEN, value: true },
    { type: CKA_LABEL, value: label },
    { type: CKA_ID, value: randomBytes(16) },
  ]
}

function ecTemplates(label) {
  const name = named(label)
  return [
    [...name, { type: CKA_PRIVATE, value: false }, { type: CKA_EC_PARAMS, value: p256 }],
    [...name, ...guarded, { type: CKA_DERIVE, value: true }],
  ]
}

/** Makes the keys that the operations use, as token objects. Handles are valid in every thread of the process. */
export function makeKeys(library, session) {
  const rsa = library.C_GenerateKeyPair(
    session,
    { mechanism: CKM_RSA_PKCS_KEY_PAIR_GEN },
    [
      ...named('raw-rsa'),
      { type: CKA_MODULUS_BITS, value: 2048 },
      { type: CKA_PUBLIC_EXPONENT, value: Buffer.from([1, 0, 1]) },
      { type: CKA_ENCRYPT, value: true },
    ],
    [...named('raw-rsa'), ...guarded, { type: CKA_DECRYPT, value: true }],
  )
  const ec = library.C_GenerateKeyPair(
    session,
    { mechanism: CKM_EC_KEY_PAIR_GEN },
    ...ecTemplates('raw-ec'),
  )
  const aes = library.C_GenerateKey(session, { mechanism: CKM_AES_KEY_GEN }, [
    ...named('raw-aes'),
    ...guarded,
    { type: CKA_VALUE_LEN, value: 32 },
    { type: CKA_ENCRYPT, value: true },
    { type: CKA_DECRYPT, value: true },
  ])
  const hmac = library.C_GenerateKey(session, { mechanism: CKM_GENERIC_SECRET_KEY_GEN }, [
    ...named('raw-hmac'),
    ...guarded,
    { type: CKA_VALUE_LEN, value: 32 },
    { type: CKA_SIGN, value: true },
  ])
  return { rsa, ec, aes, hmac }
}

const derivedTemplate = [
  { type: CKA_CLASS, value: CKO_SECRET_KEY },
  { type: CKA_KEY_TYPE, value: CKK_GENERIC_SECRET },
  { type: CKA_VALUE_LEN, value: 32 },
  { type: CKA_TOKEN, value: false },
  { type: CKA_EXTRACTABLE, value: true },
  { type: CKA_SENSITIVE, value: false },
]

/** An uncompressed point, without the octet string around it. */
function publicPoint(library, session, keys) {
  const [{ value }] = library.C_GetAttributeValue(session, keys.ec.publicKey, [
    { type: CKA_EC_POINT },
  ])
  return value.subarray(2)
}

/** Each entry: `prepare(library, session, keys)` returns the operation, which makes its calls once and checks its result. */
export const rawOperations = {
  'rsa-2048 decrypt': {
    title: 'RSA-2048 OAEP decrypt',
    prepare(library, session, { rsa }) {
      const plain = randomBytes(contentKeyBytes)
      library.C_EncryptInit(session, oaep, rsa.publicKey)
      const wrapped = library.C_Encrypt(session, plain, Buffer.alloc(512))
      return () => {
        library.C_DecryptInit(session, oaep, rsa.privateKey)
        check(library.C_Decrypt(session, wrapped, Buffer.alloc(512)).length)
      }
    },
  },
  'rsa-2048 encrypt': {
    title: 'RSA-2048 OAEP encrypt',
    prepare(library, session, { rsa }) {
      const plain = randomBytes(contentKeyBytes)
      return () => {
        library.C_EncryptInit(session, oaep, rsa.publicKey)
        library.C_Encrypt(session, plain, Buffer.alloc(512))
      }
    },
  },
  'ec-p256 derive': {
    title: 'EC P-256 derive, get, destroy',
    prepare(library, session, keys) {
      const publicData = publicPoint(library, session, keys)
      const parameter = { type: CK_PARAMS_EC_DH, kdf: 1, publicData }
      const mechanism = { mechanism: CKM_ECDH1_DERIVE, parameter }
      return () => {
        const secret = library.C_DeriveKey(session, mechanism, keys.ec.privateKey, derivedTemplate)
        const [{ value }] = library.C_GetAttributeValue(session, secret, [{ type: CKA_VALUE }])
        library.C_DestroyObject(session, secret)
        check(value.length)
      }
    },
  },
  'ec-p256 generate': {
    title: 'EC P-256 token key pair',
    prepare(library, session) {
      const mechanism = { mechanism: CKM_EC_KEY_PAIR_GEN }
      return () => library.C_GenerateKeyPair(session, mechanism, ...ecTemplates('raw-generated'))
    },
  },
  'aes-256 encrypt': {
    title: 'AES-256-GCM encrypt 32 B',
    prepare(library, session, { aes }) {
      const plain = randomBytes(contentKeyBytes)
      return () => {
        library.C_EncryptInit(session, gcm(), aes)
        library.C_Encrypt(session, plain, Buffer.alloc(96))
      }
    },
  },
  'aes-256 decrypt': {
    title: 'AES-256-GCM decrypt 32 B',
    prepare(library, session, { aes }) {
      const mechanism = gcm()
      library.C_EncryptInit(session, mechanism, aes)
      const wrapped = library.C_Encrypt(session, randomBytes(contentKeyBytes), Buffer.alloc(96))
      return () => {
        library.C_DecryptInit(session, mechanism, aes)
        check(library.C_Decrypt(session, wrapped, Buffer.alloc(96)).length)
      }
    },
  },
  'hmac-sha256 sign': {
    title: 'HMAC-SHA-256 of 32 B',
    prepare(library, session, { hmac }) {
      const message = randomBytes(32)
      return () => {
        library.C_SignInit(session, { mechanism: CKM_SHA256_HMAC }, hmac)
        check(library.C_Sign(session, message, Buffer.alloc(32)).length)
      }
    },
  },
}

function check(length) {
  if (length !== contentKeyBytes) throw new Error(`a raw call gave ${length} bytes`)
}
