/**
 * The PKCS#11 numbers this package uses. They stand here and not in the binding because the service process must know
 * them without loading native code, and because the binding lacks several (KWP, CKZ_DATA_SPECIFIED, vendor numbers).
 * @see PKCS#11 v2.40 pkcs11t.h; PKCS#11 v3.0 for CKM_AES_KEY_WRAP_KWP
 */

/** Object classes. */
export const CKO = { publicKey: 2, privateKey: 3, secretKey: 4 } as const

/** Key types. */
export const CKK = { rsa: 0x00, ec: 0x03, genericSecret: 0x10, aes: 0x1f } as const

/** Attributes. */
export const CKA = {
  class: 0x000,
  token: 0x001,
  private: 0x002,
  label: 0x003,
  value: 0x011,
  keyType: 0x100,
  id: 0x102,
  sensitive: 0x103,
  encrypt: 0x104,
  decrypt: 0x105,
  wrap: 0x106,
  unwrap: 0x107,
  sign: 0x108,
  verify: 0x10a,
  derive: 0x10c,
  modulus: 0x120,
  modulusBits: 0x121,
  publicExponent: 0x122,
  valueLen: 0x161,
  extractable: 0x162,
  modifiable: 0x170,
  ecParams: 0x180,
  ecPoint: 0x181,
} as const

/** Mechanisms of the standard. A vendor's own stand in its profile, with their source. */
export const CKM = {
  rsaPkcsKeyPairGen: 0x0000,
  rsaPkcsOaep: 0x0009,
  sha1: 0x0220,
  sha256: 0x0250,
  sha256Hmac: 0x0251,
  genericSecretKeyGen: 0x0350,
  ecKeyPairGen: 0x1040,
  ecdsa: 0x1041,
  ecdh1Derive: 0x1050,
  aesKeyGen: 0x1080,
  aesGcm: 0x1087,
  aesCmac: 0x108a,
  /** RFC 5649 in PKCS#11 v3.0; missing in the binding. */
  aesKeyWrapKwp: 0x210b,
} as const

/** Mask generation functions of CK_RSA_PKCS_OAEP_PARAMS. */
export const CKG = { mgf1Sha1: 1, mgf1Sha256: 2 } as const

/** CKZ_DATA_SPECIFIED. Luna answers CKR_MECHANISM_INVALID to 0 even without a label (OpenSC/libp11#439). */
export const CKZ_DATA_SPECIFIED = 1

/** CKD_NULL: the shared secret itself, no KDF in the device (SoftHSM knows no other). */
export const CKD_NULL = 1

/** Flags of C_Initialize, C_OpenSession and CK_TOKEN_INFO. */
export const CKF = {
  osLockingOk: 0x2,
  rwSession: 0x2,
  serialSession: 0x4,
  tokenInitialised: 0x400,
  userPinLocked: 0x40000,
} as const

/** CKU_USER: the crypto officer of Luna, the CU of CloudHSM. */
export const CKU_USER = 1

/** Session states in which the user is logged in: CKS_RO_USER_FUNCTIONS, CKS_RW_USER_FUNCTIONS. */
export const loggedInStates: readonly number[] = [1, 3]

/** Kinds of mechanism parameter, as `pkcs11js` 2.1.7 numbers them (src/common.h). */
export const parameterKind = { rsaOaep: 4, ecdh1: 6, aesGcm: 7 } as const

/** DER of the OID prime256v1 (1.2.840.10045.3.1.7), the value of CKA_EC_PARAMS. */
export const p256Params = Buffer.from('06082a8648ce3d030107', 'hex')
