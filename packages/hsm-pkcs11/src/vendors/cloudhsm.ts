import { CKA, CKM, CKU_USER } from '../constants.js'
import type { Pkcs11Profile } from '../profile.js'

/**
 * AWS CloudHSM with Client SDK 5. AES by default, because a cluster holds at most 3,333 asymmetric keys. Not tried on a
 * real device.
 */
export const cloudhsm: Pkcs11Profile = {
  name: 'cloudhsm',
  title: 'AWS CloudHSM, Client SDK 5',
  hardware: true,
  libraryPaths: ['/opt/cloudhsm/lib/libcloudhsm_pkcs11.so'],
  environment: ['CLOUDHSM_*'],
  // Five refused logins lock the user until an officer unlocks it.
  login: { userType: CKU_USER, form: 'user:password' },
  defaultKind: 'aes-256',
  // ECDH comes only with the X9.63 KDFs.
  rawEcdh: false,
  oaep: ['rsa-oaep-sha256'],
  aes: [
    // CKM_CLOUDHSM_AES_GCM: the device makes the nonce and puts it first; a nonce of ours is never accepted.
    { algorithm: 'aes-256-gcm', mechanism: 0x80001087, nonce: 'device-prepended' },
    // The standard number: the device writes its nonce into 12 zero bytes of ours. What SDK 3 has.
    { algorithm: 'aes-256-gcm', mechanism: CKM.aesGcm, nonce: 'device-written' },
    // CKM_CLOUDHSM_AES_KEY_WRAP_ZERO_PAD is RFC 5649.
    { algorithm: 'aes-256-kwp', mechanism: 0x8000216f, through: 'wrap-key' },
  ],
  // CKM_RSA_X9_31_KEY_PAIR_GEN is what the vendor recommends.
  rsaKeyPairGen: [0x0a, CKM.rsaPkcsKeyPairGen],
  writes: 'concurrent',
  sharedToken: undefined,
  workers: 8,
  findMax: 25,
  proveBeforeWrap: false,
  durableKeys: true,
  // C_SetAttributeValue is not among the functions of SDK 5 (CloudHSM guide, 2023).
  renames: false,
  seesOutsideChanges: true,
  // hsm2m.medium: 16,666 keys, of which at most 3,333 asymmetric. Whether a pair is one of these or two is not documented: two.
  keyLimit: 16_666,
  pairLimit: 1666,
  tellsMemory: false,
  secondLookMs: 250,
  // A new token key is usable once it is on two members.
  settleMs: 60_000,
  limits: { useMs: 20_000, lookMs: 120_000, writeMs: 60_000, listMs: 600_000, startMs: 60_000 },
  returnCodes: [
    {
      code: 0x06,
      means: 'busy',
      source: 'CloudHSM guide, throttling: CKR_FUNCTION_FAILED, 187 in the log',
    },
    {
      code: 0x30,
      means: 'busy',
      source: 'CloudHSM known issues: C_GetAttributeValue when throttled',
    },
    { code: 0x90, means: 'busy', source: 'CloudHSM guide, throttling with SDK 3' },
    {
      code: 0x07,
      calls: ['C_OpenSession'],
      means: 'busy',
      source: 'seen when sessions are opened fast',
    },
    {
      code: 0x13,
      calls: ['C_GenerateKey', 'C_GenerateKeyPair'],
      means: 'id-taken',
      source: 'aws-samples: CKR_ATTRIBUTE_VALUE_INVALID for a CKA_ID that another key has',
    },
  ],
  templates: {
    // Only the default is accepted for CKA_PRIVATE and CKA_MODIFIABLE, so they are left out.
    omitPublic: [CKA.private],
    omitPrivate: [CKA.private],
    omitSecret: [CKA.private],
    statesModifiable: false,
  },
  provenance:
    'AWS CloudHSM user guide (mechanisms, attributes, quotas, throttling) and aws-samples; not tried on a real device',
  facts: {
    libraryPaths: { source: 'AWS CloudHSM user guide, Client SDK 5', tried: 'never' },
    token: {
      source: 'one slot for a cluster (user guide); its label differs by SDK',
      tried: 'never',
    },
    password: { source: 'user:password of a crypto user (user guide)', tried: 'replayed' },
    environment: {
      source: 'everything that starts with CLOUDHSM_; none is documented as needed',
      tried: 'never',
    },
    mechanisms: {
      source: 'user guide, PKCS#11 mechanisms and known issues; aws-samples for the vendor numbers',
      tried: 'replayed',
    },
    templates: {
      source: 'user guide, PKCS#11 attributes; aws-samples for the unique CKA_ID',
      tried: 'replayed',
    },
    returnCodes: {
      source: 'user guide, throttling, known issues and migration from SDK 3',
      tried: 'replayed',
    },
    capacity: { source: 'user guide, quotas of hsm2m.medium', tried: 'never' },
  },
}
