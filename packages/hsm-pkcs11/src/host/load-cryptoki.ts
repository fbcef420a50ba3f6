import { DomainError } from '@keyhsm/core'
import type * as Binding from 'pkcs11js'
import type { Cryptoki } from '../cryptoki.js'

/**
 * Loads a PKCS#11 library through the binding: the only file that names `pkcs11js`, and only the host process imports
 * it.
 * @throws ERR_HSM_NOT_SUPPORTED when the binding was not built; ERR_SETTINGS when the library cannot be loaded.
 */
export async function loadCryptoki(library: string): Promise<Cryptoki> {
  const { PKCS11 } = await loadBinding()
  const cryptoki = new PKCS11()
  try {
    cryptoki.load(library)
  } catch (cause) {
    throw new DomainError('ERR_SETTINGS', `the PKCS#11 library ${library} cannot be loaded`, {
      cause,
      faults: [{ field: 'library', rule: 'must be a PKCS#11 library of this machine' }],
      hints: [`run \`ldd ${library}\` to see whether something it needs is missing`],
    })
  }
  return cryptoki as unknown as Cryptoki
}

async function loadBinding(): Promise<typeof Binding> {
  try {
    return (await import('pkcs11js')).default
  } catch (cause) {
    throw new DomainError('ERR_HSM_NOT_SUPPORTED', 'the native addon pkcs11js is not built', {
      cause,
      hints: [
        'install make, g++ and python3, then run `npm rebuild pkcs11js`',
        'where the headers of Node.js stand beside it, run `npm_config_nodedir=/usr npm rebuild pkcs11js`',
      ],
    })
  }
}
