export { program } from './program.js'
export { commonSchema, pkcs11Schema, softTokenSchema } from './settings.js'
