import { CKM, CKU_USER } from '../constants.js'
import type { Pkcs11Profile } from '../profile.js'

/**
 * NSS softoken, a database of keys in software. It needs `libraryParameters`, e.g.
 * `configdir='sql:/dir' certPrefix='' keyPrefix='' secmod='secmod.db' flags=`, and the token `NSS Certificate DB`.
 */
export const nss: Pkcs11Profile = {
  name: 'nss',
  title: 'NSS softoken 3.87 and later',
  hardware: false,
  libraryPaths: [
    '/usr/lib/x86_64-linux-gnu/libsoftokn3.so',
    '/usr/lib/aarch64-linux-gnu/libsoftokn3.so',
    '/usr/lib64/libsoftokn3.so',
  ],
  environment: [],
  login: { userType: CKU_USER, form: 'pin' },
  defaultKind: 'rsa-2048',
  rawEcdh: true,
  oaep: ['rsa-oaep-sha256', 'rsa-oaep-sha1'],
  aes: [
    { algorithm: 'aes-256-gcm', mechanism: CKM.aesGcm, nonce: 'caller' },
    { algorithm: 'aes-256-kwp', mechanism: CKM.aesKeyWrapKwp, through: 'encrypt' },
  ],
  rsaKeyPairGen: [CKM.rsaPkcsKeyPairGen],
  writes: 'serial',
  sharedToken: { by: 'library-parameters' },
  workers: 2,
  findMax: 500,
  proveBeforeWrap: true,
  durableKeys: true,
  renames: true,
  seesOutsideChanges: true,
  keyLimit: undefined,
  tellsMemory: false,
  secondLookMs: 50,
  settleMs: 0,
  limits: { useMs: 5_000, lookMs: 20_000, writeMs: 30_000, listMs: 120_000, startMs: 20_000 },
  returnCodes: [
    {
      code: 0x07,
      calls: ['C_Decrypt'],
      means: 'bad-ciphertext',
      source: 'observed: NSS 3.87 answers CKR_ARGUMENTS_BAD to bad OAEP padding',
    },
  ],
  templates: { omitPublic: [], omitPrivate: [], omitSecret: [], statesModifiable: true },
  provenance: 'tried with NSS 3.87 of Debian 12',
  facts: {
    libraryPaths: { source: 'packages of Debian and Fedora', tried: 'library' },
    token: {
      source: 'observed: all tokens have one serial number, the database has this label',
      tried: 'library',
    },
    password: { source: 'password of the database (certutil)', tried: 'library' },
    environment: {
      source: 'none; the database is named in the library parameters',
      tried: 'library',
    },
    mechanisms: { source: 'observed in 3.87', tried: 'library' },
    templates: { source: 'observed in 3.87', tried: 'library' },
    returnCodes: { source: 'observed in 3.87', tried: 'library' },
    capacity: { source: 'none: the disk is the limit', tried: 'library' },
  },
}
