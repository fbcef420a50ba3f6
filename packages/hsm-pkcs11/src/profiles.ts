import type { Pkcs11Profile } from './profile.js'
import { cloudhsm } from './vendors/cloudhsm.js'
import { luna } from './vendors/luna.js'
import { nss } from './vendors/nss.js'
import { opencryptoki } from './vendors/opencryptoki.js'
import { softhsm } from './vendors/softhsm.js'
import { thales } from './vendors/thales.js'

/** Every profile by its name in settings. `opencryptoki` is there for the tests. */
export const pkcs11Profiles = {
  softhsm,
  luna,
  thales,
  cloudhsm,
  nss,
  opencryptoki,
} as const satisfies Record<string, Pkcs11Profile>

export type Pkcs11ProfileName = keyof typeof pkcs11Profiles
