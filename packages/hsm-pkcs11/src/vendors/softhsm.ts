import { CKM, CKU_USER } from '../constants.js'
import type { Pkcs11Profile } from '../profile.js'

/** SoftHSM 2.6.1 and 2.7.0: for development and tests, because it never fsyncs its objects. */
export const softhsm: Pkcs11Profile = {
  name: 'softhsm',
  title: 'SoftHSM 2.6 and 2.7',
  hardware: false,
  libraryPaths: [
    '/usr/lib/softhsm/libsofthsm2.so',
    '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
    '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
    '/usr/lib64/pkcs11/libsofthsm2.so',
    '/opt/homebrew/lib/softhsm/libsofthsm2.so',
    '/usr/local/lib/softhsm/libsofthsm2.so',
  ],
  environment: ['SOFTHSM2_CONF'],
  login: { userType: CKU_USER, form: 'pin' },
  defaultKind: 'ec-p256',
  rawEcdh: true,
  // observed: any other hash answers CKR_ARGUMENTS_BAD, in 2.6.1 and 2.7.0.
  oaep: ['rsa-oaep-sha1'],
  aes: [
    { algorithm: 'aes-256-gcm', mechanism: CKM.aesGcm, nonce: 'caller' },
    // observed: 0x210a is RFC 5649 here (byte-identical to id-aes256-wrap-pad), 0x210b is missing, and C_Encrypt refuses it.
    { algorithm: 'aes-256-kwp', mechanism: 0x210a, through: 'wrap-key' },
  ],
  rsaKeyPairGen: [CKM.rsaPkcsKeyPairGen],
  // observed: with threads that write, finds miss existing keys and generations fail (fixed upstream for one race only);
  // decrypting and deriving by handles that are known go well beside one thread that makes keys (docs/decisions/0086).
  writes: 'exclusive',
  // observed: a process that reads attributes while another writes crashes, and C_Login of two at once fails with 0xe1.
  sharedToken: {
    by: 'configured-directory',
    configVariable: 'SOFTHSM2_CONF',
    configDefaults: ['~/.config/softhsm2/softhsm2.conf', '/etc/softhsm/softhsm2.conf'],
    setting: 'directories.tokendir',
    stampFile: 'generation',
  },
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
      code: 0x05,
      calls: ['C_Decrypt', 'C_UnwrapKey'],
      means: 'bad-ciphertext',
      source:
        'observed: SoftHSM 2.6.1 answers CKR_GENERAL_ERROR to any ciphertext it cannot decrypt',
    },
    {
      code: 0x07,
      calls: ['C_EncryptInit', 'C_DecryptInit'],
      means: 'not-supported',
      source: 'observed: SoftHSM 2.6.1, OAEP parameters other than SHA-1',
    },
  ],
  templates: { omitPublic: [], omitPrivate: [], omitSecret: [], statesModifiable: true },
  provenance: 'tried with SoftHSM 2.6.1 of Debian 12; 2.7.0 from its sources',
  facts: {
    libraryPaths: {
      source: 'packages of Debian and Fedora, Homebrew; the rest from the sources',
      tried: 'library',
    },
    token: {
      source:
        'observed: slot numbers change at each initialisation, labels and serial numbers do not',
      tried: 'library',
    },
    password: { source: 'observed: 4 to 255 characters', tried: 'library' },
    environment: { source: 'softhsm2.conf(5)', tried: 'library' },
    mechanisms: { source: 'observed in 2.6.1; 2.7.0 from its sources', tried: 'library' },
    templates: { source: 'observed in 2.6.1', tried: 'library' },
    returnCodes: { source: 'observed in 2.6.1', tried: 'library' },
    capacity: { source: 'none: the disk is the limit', tried: 'library' },
  },
}
