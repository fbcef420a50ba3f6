import { CKM, CKU_USER } from '../constants.js'
import type { Pkcs11Profile } from '../profile.js'

/**
 * nShield (Security World 12.60 to 13), called `thales` as the original product did. The password is the passphrase of
 * the operator card set or softcard. Not tried on a real device.
 */
export const thales: Pkcs11Profile = {
  name: 'thales',
  title: 'nShield with Security World 12.60 to 13',
  hardware: true,
  libraryPaths: ['/opt/nfast/toolkits/pkcs11/libcknfast.so'],
  // NFAST_SERVER_PORT moves the hardserver away from the port of the Cloudera agent.
  environment: ['CKNFAST_*', 'NFAST_*'],
  login: { userType: CKU_USER, form: 'pin' },
  defaultKind: 'rsa-3072',
  rawEcdh: true,
  // The hash must equal that of the mask generation; otherwise CKR_MECHANISM_PARAM_INVALID.
  oaep: ['rsa-oaep-sha256', 'rsa-oaep-sha1'],
  aes: [
    { algorithm: 'aes-256-gcm', mechanism: CKM.aesGcm, nonce: 'caller' },
    { algorithm: 'aes-256-kwp', mechanism: CKM.aesKeyWrapKwp, through: 'encrypt' },
  ],
  rsaKeyPairGen: [CKM.rsaPkcsKeyPairGen],
  writes: 'serial',
  sharedToken: undefined,
  workers: 4,
  findMax: 100,
  proveBeforeWrap: false,
  durableKeys: true,
  renames: true,
  // Keys are files on the host, read at C_Initialize: true only with CKNFAST_ASSUME_SINGLE_PROCESS=0.
  seesOutsideChanges: false,
  keyLimit: undefined,
  // Keys are files of the host: nothing in the device fills up.
  tellsMemory: false,
  secondLookMs: 250,
  settleMs: 0,
  limits: { useMs: 20_000, lookMs: 60_000, writeMs: 90_000, listMs: 300_000, startMs: 60_000 },
  returnCodes: [
    {
      code: 0x06,
      calls: ['C_GetAttributeValue'],
      means: 'attribute-absent',
      source:
        'pkcs11-tools works round this: CKR_FUNCTION_FAILED for an attribute the object lacks',
    },
    {
      code: 0x800000e0,
      means: 'refused',
      source: 'FIPS level 3 world: making a key needs an operator card in the reader',
      hint: 'put an operator or administrator card into the reader of the module, then try again',
    },
    {
      code: 0xe0,
      means: 'device-lost',
      source: 'nShield PKCS#11: removing the last card of the set closes the sessions',
      hint: 'put the operator card back into the reader of the module',
    },
  ],
  templates: { omitPublic: [], omitPrivate: [], omitSecret: [], statesModifiable: true },
  provenance:
    'nShield PKCS#11 documentation (environment, objects, mechanisms) and public tools; not tried on a real device',
  facts: {
    libraryPaths: { source: 'nShield PKCS#11 documentation', tried: 'never' },
    token: {
      source: 'label of the card set or softcard; serial number from its hash (public tools)',
      tried: 'never',
    },
    password: {
      source: 'passphrase of the operator card set or softcard (nShield PKCS#11 documentation)',
      tried: 'never',
    },
    environment: {
      source:
        'nShield PKCS#11 documentation, environment variables; NFAST_SERVER_PORT from the original manual',
      tried: 'replayed',
    },
    mechanisms: {
      source:
        'nShield PKCS#11 documentation, mechanisms (OAEP hash equal to MGF hash, KWP since 12.50)',
      tried: 'never',
    },
    templates: {
      source: 'nShield PKCS#11 documentation, security assurance; Barbican and pkcs11-tools',
      tried: 'replayed',
    },
    returnCodes: {
      source:
        'nShield PKCS#11 documentation (FIPS level 3, card removal); pkcs11-tools for CKR_FUNCTION_FAILED',
      tried: 'replayed',
    },
    capacity: {
      source: 'nShield documentation: keys are files of the host, the device sets no limit',
      tried: 'never',
    },
  },
}
