import { SecretBytes } from '@keyhsm/core'
import type { HsmCapabilities } from '@keyhsm/hsm'
import type { Findings } from './messages.js'
import type { Pkcs11Log, Pkcs11Options } from './options.js'
import { Pkcs11Hsm } from './pkcs11-hsm.js'
import type { Pkcs11Profile } from './profile.js'
import { pkcs11Profiles } from './profiles.js'
import { findLibrary, hostEnvironment, tokenSharing } from './service/host-environment.js'
import { Supervisor } from './service/supervisor.js'

const silent: Pkcs11Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}

/**
 * Connects to a token through a vendor's PKCS#11 library, which is loaded in a process of its own. Resolves when the login
 * succeeded and the keys on the token are known.
 * @throws ERR_SETTINGS when the library is missing or cannot be loaded, or several tokens match; ERR_HSM_UNAVAILABLE when
 * no token matches or the device does not answer; ERR_HSM_LOGIN when the PIN was refused (tried once);
 * ERR_HSM_NOT_SUPPORTED when the native addon is not built.
 */
export async function connectPkcs11(options: Pkcs11Options): Promise<Pkcs11Hsm> {
  const profile = findProfile(options.profile)
  const library = findLibrary(profile, options.library)
  const environment = hostEnvironment(profile, process.env, options.env)
  const workers = options.workers ?? profile.workers
  const supervisor = new Supervisor({
    start: {
      profile,
      library,
      libraryParameters: options.libraryParameters,
      token: options.token,
      workers,
      sharing: tokenSharing(profile, environment, options),
    },
    environment,
    launcher: options.launcher ?? [],
    pin: SecretBytes.own(options.pin.expose((bytes) => Buffer.from(bytes))),
    log: options.log ?? silent,
    onLoginRefused: options.onLoginRefused ?? (() => undefined),
  })
  const { token, findings } = await supervisor.connect()
  const capabilities = toCapabilities(profile, findings)
  const wrap = options.wrap ?? 'device'
  const parts = { supervisor, profile, token, capabilities, library, workers, wrap }
  return new Pkcs11Hsm(parts, options.recheckMs)
}

function findProfile(profile: Pkcs11Options['profile']): Pkcs11Profile {
  return typeof profile === 'string' ? pkcs11Profiles[profile] : profile
}

function toCapabilities(
  { durableKeys, seesOutsideChanges, hardware, renames }: Pkcs11Profile,
  { kinds, wrapAlgorithms }: Findings,
): HsmCapabilities {
  return { kinds, wrapAlgorithms, durableKeys, seesOutsideChanges, hardware, renames }
}
