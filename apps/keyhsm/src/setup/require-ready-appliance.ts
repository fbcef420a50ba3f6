/** Walks through what Key HSM will do on a KeySecure before anything is saved, and names each wrong setting of it. */
import { type Clock, DomainError, type SecretBytes } from '@keyhsm/core'
import type { DeviceSettings } from '../backend-configuration.js'
import { loadKeySecure } from '../drivers.js'
import { admitLogin, latchHints, latchLogin } from '../login-latch.js'

type KeySecure = Extract<DeviceSettings, { readonly hardware: 'keysecure' }>

/**
 * One login on each node.
 * @throws ERR_HSM_LOGIN when it was refused, which latches; ERR_HSM_UNAVAILABLE with all that is wrong and its remedies.
 */
export async function requireReadyAppliance(
  { nodes, tls, user, dialect }: KeySecure,
  { latch, clock }: { readonly latch: string; readonly clock: Clock },
  password: SecretBytes,
): Promise<void> {
  const { checkAppliance, parseDialect } = await loadKeySecure()
  for (const node of nodes) {
    await admitLogin(latch)
    const { faults } = await checkAppliance({
      node,
      user,
      password,
      dialect: parseDialect(dialect, 'keysecure.dialect'),
      ...(tls === undefined ? {} : { tls }),
    })
    if (faults.length === 0) continue
    const texts = faults.map(({ message, detail }) => (detail ? `${message}: ${detail}` : message))
    const detail = `${node.host}:${node.port}: ${texts.join('; ')}`
    if (faults.some(({ code }) => code === 'login-refused')) {
      latchLogin(latch, clock.now())
      throw new DomainError('ERR_HSM_LOGIN', detail, { hints: latchHints })
    }
    const hints = [...new Set(faults.map(({ remedy }) => remedy))]
    throw new DomainError('ERR_HSM_UNAVAILABLE', detail, { hints })
  }
}
