export { connectPkcs11 } from './connect.js'
export type { TokenChoice } from './messages.js'
export type { Pkcs11Log, Pkcs11Options } from './options.js'
export { Pkcs11Hsm } from './pkcs11-hsm.js'
export type {
  AesWrap,
  CallLimits,
  Pkcs11Profile,
  SharedToken,
  TemplateDifferences,
} from './profile.js'
export { type Pkcs11ProfileName, pkcs11Profiles } from './profiles.js'
export {
  CryptokiError,
  type CryptokiFailure,
  type FailureClass,
  type ReturnCodeOverride,
} from './return-codes.js'
