import { CKM, CKU_USER } from '../constants.js'
import type { Pkcs11Profile } from '../profile.js'

/**
 * openCryptoki's software token, the third independent library that the tests run against. It needs its daemon
 * `pkcsslotd` and a process that is root or in group `pkcs11`.
 */
export const opencryptoki: Pkcs11Profile = {
  name: 'opencryptoki',
  title: 'openCryptoki 3.8, software token',
  hardware: false,
  libraryPaths: [
    '/usr/lib/x86_64-linux-gnu/opencryptoki/libopencryptoki.so.0',
    '/usr/lib/aarch64-linux-gnu/opencryptoki/libopencryptoki.so.0',
    '/usr/lib64/opencryptoki/libopencryptoki.so',
  ],
  environment: [],
  login: { userType: CKU_USER, form: 'pin' },
  defaultKind: 'rsa-2048',
  rawEcdh: false,
  oaep: ['rsa-oaep-sha256', 'rsa-oaep-sha1'],
  // observed: 3.8.1 lists neither GCM nor any key wrap of RFC 3394 or 5649.
  aes: [],
  rsaKeyPairGen: [CKM.rsaPkcsKeyPairGen],
  writes: 'serial',
  // observed: two processes that make keys with one id at once both succeed. One token a machine: one name for the lock.
  sharedToken: { by: 'library-parameters' },
  workers: 2,
  findMax: 500,
  proveBeforeWrap: true,
  durableKeys: false,
  renames: true,
  seesOutsideChanges: true,
  keyLimit: undefined,
  tellsMemory: false,
  secondLookMs: 50,
  settleMs: 0,
  limits: { useMs: 5_000, lookMs: 20_000, writeMs: 30_000, listMs: 120_000, startMs: 20_000 },
  returnCodes: [
    {
      code: 0x06,
      calls: ['C_Decrypt'],
      means: 'bad-ciphertext',
      source: 'observed: openCryptoki 3.8.1 answers CKR_FUNCTION_FAILED to bad OAEP padding',
    },
  ],
  templates: { omitPublic: [], omitPrivate: [], omitSecret: [], statesModifiable: true },
  provenance: 'tried with openCryptoki 3.8.1 of Debian 12',
  facts: {
    libraryPaths: { source: 'packages of Debian and Fedora', tried: 'library' },
    token: { source: 'observed: label; every token has the serial number 123', tried: 'library' },
    password: { source: 'observed: 4 to 8 characters', tried: 'library' },
    environment: { source: 'none; one configuration a machine', tried: 'library' },
    mechanisms: { source: 'observed in 3.8.1', tried: 'library' },
    templates: { source: 'observed in 3.8.1', tried: 'library' },
    returnCodes: { source: 'observed in 3.8.1', tried: 'library' },
    capacity: { source: 'none: the disk is the limit', tried: 'library' },
  },
}
