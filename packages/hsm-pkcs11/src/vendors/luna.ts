import { CKM, CKU_USER } from '../constants.js'
import type { Pkcs11Profile } from '../profile.js'

/** CKM_RSA_FIPS_186_3_PRIME_KEY_PAIR_GEN of Luna: real in FIPS mode, where 0x0 is remapped to it since client 10.1. */
const fipsRsaKeyPairGen = 0x80000143

/** Thales Luna Network and PCIe HSM 7 with Universal Client 10, and Luna Cloud HSM. Not tried on a real device. */
export const luna: Pkcs11Profile = {
  name: 'luna',
  title: 'Thales Luna 7 (Universal Client 10)',
  hardware: true,
  libraryPaths: ['/usr/safenet/lunaclient/lib/libCryptoki2_64.so', '/usr/lib/libCryptoki2_64.so'],
  environment: ['ChrystokiConfigurationPath'],
  // The password is the partition's crypto officer; crypto users (0x80000001) cannot make keys.
  login: { userType: CKU_USER, form: 'pin' },
  defaultKind: 'rsa-3072',
  rawEcdh: true,
  oaep: ['rsa-oaep-sha256', 'rsa-oaep-sha1'],
  aes: [
    // In FIPS mode the device appends an IV of its own (16 bytes); the probe sees that and takes the next.
    { algorithm: 'aes-256-gcm', mechanism: CKM.aesGcm, nonce: 'caller' },
    // CKM_AES_KWP of Luna; current clients know the standard number too. C_Encrypt takes either.
    { algorithm: 'aes-256-kwp', mechanism: 0x80000171, through: 'encrypt' },
    { algorithm: 'aes-256-kwp', mechanism: CKM.aesKeyWrapKwp, through: 'encrypt' },
  ],
  rsaKeyPairGen: [fipsRsaKeyPairGen, CKM.rsaPkcsKeyPairGen],
  writes: 'concurrent',
  sharedToken: undefined,
  // About 30 threads a device are the optimum by the vendor's word; several services share one.
  workers: 8,
  findMax: 100,
  proveBeforeWrap: false,
  durableKeys: true,
  renames: true,
  seesOutsideChanges: true,
  keyLimit: undefined,
  // CK_TOKEN_INFO is believed to hold the partition's bytes; not tried. `lunacm partition showinfo` says them too.
  tellsMemory: true,
  secondLookMs: 250,
  settleMs: 0,
  // A member of an HA group recovers inside a call, at most every 60 s, so calls may stall.
  limits: { useMs: 20_000, lookMs: 60_000, writeMs: 90_000, listMs: 300_000, startMs: 60_000 },
  returnCodes: [
    { code: 0x80001604, means: 'busy', source: 'CKR_BUSY, Luna headers' },
    { code: 0x80000041, means: 'busy', source: 'CKR_AGAIN, Luna headers' },
    { code: 0x8000002b, means: 'busy', source: 'CKR_DEVICE_TIMEOUT, Luna headers' },
    { code: 0x8000001f, means: 'device-lost', source: 'CKR_UNABLE_TO_CONNECT, Luna headers' },
    { code: 0x80000024, means: 'device-lost', source: 'CKR_TIMEOUT, Luna headers' },
    { code: 0x80000020, means: 'device-lost', source: 'CKR_PARTITION_DISABLED, Luna headers' },
    { code: 0x80000076, means: 'device-lost', source: 'CKR_HSM_TAMPERED, Luna headers' },
    { code: 0x80000035, means: 'refused', source: 'CKR_LOG_FULL, Luna headers' },
    { code: 0x80000007, means: 'login-refused', source: 'CKR_USER_LOCKED_OUT, Luna headers' },
    { code: 0x8000002a, means: 'full', source: 'CKR_HSM_STORAGE_FULL, Luna headers' },
    { code: 0x8000002c, means: 'full', source: 'CKR_CONTAINER_OBJECT_STORAGE_FULL, Luna headers' },
    { code: 0x8000001b, means: 'full', source: 'CKR_MAX_OBJECT_COUNT_EXCEEDED, Luna headers' },
    { code: 0x80000031, means: 'full', source: 'CKR_LICENSE_CAPACITY_EXCEEDED, Luna headers' },
    { code: 0x8000006f, means: 'id-taken', source: 'CKR_OBJECT_ALREADY_EXISTS, Luna headers' },
    { code: 0x80000105, means: 'not-supported', source: 'CKR_ECC_CURVE_NOT_ALLOWED, Luna headers' },
  ],
  templates: { omitPublic: [], omitPrivate: [], omitSecret: [], statesModifiable: true },
  provenance:
    'Luna 7 documentation (mechanisms, HA, remapping) and the public Luna samples; not tried on a real device',
  facts: {
    libraryPaths: {
      source: 'Luna client documentation and luna-samples; older clients use /usr/lib',
      tried: 'never',
    },
    token: {
      source:
        'serial number, label or slot; the original manual asks for the slot, which Luna renumbers (client documentation)',
      tried: 'never',
    },
    password: {
      source: 'crypto officer of the partition (luna-samples: CKU_USER; crypto user 0x80000001)',
      tried: 'never',
    },
    environment: {
      source: 'ChrystokiConfigurationPath of the Luna Cloud HSM client (luna-samples)',
      tried: 'never',
    },
    mechanisms: {
      source:
        'Luna 7 SDK reference (CKM_AES_GCM, CKM_RSA_PKCS_OAEP, key generation remapping), luna-samples for the vendor numbers',
      tried: 'replayed',
    },
    templates: { source: 'PKCS#11 v2.40; nothing in Luna’s documentation differs', tried: 'never' },
    returnCodes: { source: 'luna-samples and pycryptoki (headers)', tried: 'replayed' },
    capacity: {
      source:
        'partition sizes of the Luna documentation; that CK_TOKEN_INFO holds bytes is believed, not documented',
      tried: 'replayed',
    },
  },
}
