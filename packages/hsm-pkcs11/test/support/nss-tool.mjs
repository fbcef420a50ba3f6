/**
 * A tool for NSS databases that speaks PKCS#11 directly, in a process of its own: `pkcs11-tool` cannot pass library
 * parameters, and `certutil` knows no secret keys. Arguments: library, parameters, verb, id. The password comes on
 * standard input. Verbs: `remove`, `shows`, `plantSecret`, `plantPair`.
 */
import { readFileSync } from 'node:fs'
import pkcs11 from 'pkcs11js'

const [library, libraryParameters, verb, idText] = process.argv.slice(2)
const password = readFileSync(0, 'utf8').trim()
const id = Buffer.from(idText, 'hex')
const module = new pkcs11.PKCS11()
module.load(library)
module.C_Initialize({ flags: pkcs11.CKF_OS_LOCKING_OK, libraryParameters })
const slot = module
  .C_GetSlotList(true)
  .find((each) => module.C_GetTokenInfo(each).label.trim() === 'NSS Certificate DB')
const session = module.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION)
module.C_Login(session, pkcs11.CKU_USER, password)

function find() {
  module.C_FindObjectsInit(session, [{ type: pkcs11.CKA_ID, value: id }])
  const found = module.C_FindObjects(session, 100)
  module.C_FindObjectsFinal(session)
  return found
}

const planted = [
  { type: pkcs11.CKA_TOKEN, value: true },
  { type: pkcs11.CKA_ID, value: id },
  { type: pkcs11.CKA_LABEL, value: 'planted' },
]

const verbs = {
  remove() {
    for (const object of find()) module.C_DestroyObject(session, object)
  },
  shows() {
    process.stdout.write(String(find().length))
  },
  plantSecret() {
    module.C_GenerateKey(session, { mechanism: pkcs11.CKM_AES_KEY_GEN }, [
      ...planted,
      { type: pkcs11.CKA_VALUE_LEN, value: 32 },
    ])
  },
  plantPair() {
    const p256 = Buffer.from('06082a8648ce3d030107', 'hex')
    const mechanism = { mechanism: pkcs11.CKM_EC_KEY_PAIR_GEN }
    const publicHalf = [...planted, { type: pkcs11.CKA_EC_PARAMS, value: p256 }]
    module.C_GenerateKeyPair(session, mechanism, publicHalf, planted)
  },
}

verbs[verb]()
module.C_Finalize()
process.exit(0)
