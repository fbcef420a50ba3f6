export { program } from './program.js'
export { commonSchema, pkcs11Schema, softTokenSchema } from './settings.js'
export { hsmMeters } from './monitoring/hsm-meters.js'
