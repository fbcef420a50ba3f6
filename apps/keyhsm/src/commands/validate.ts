import { type Command, printLine } from '@keyhsm/command-line'
import { DomainError } from '@keyhsm/core'
import { createSecureContext } from 'node:tls'
import { createServer } from 'node:net'
import { readConfiguration } from '../configuration.js'
import { proveKey } from '../keys/prove-key.js'
import { type Paths, pathsIn } from '../paths.js'
import { type LiveState, readLiveState } from '../service/live-state.js'
import { findDeviceWarnings } from '../service/status.js'
import { withPartition } from './with-partition.js'
import { isRunning } from './with-service.js'

interface ValidateResult {
  readonly checks: readonly { readonly check: string; readonly found: string }[]
  readonly warnings: readonly string[]
}

/** Goes the way of `start` up to connected, then asks the HSM for one round trip; stops at the first fault. */
export const validateCommand: Command = {
  name: 'validate',
  summary: 'validate that Key HSM is properly configured',
  async run({ home }, io): Promise<ValidateResult> {
    const paths = pathsIn(home.keyhsm)
    const { pin, ...configuration } = await readConfiguration(paths)
    pin.wipe()
    const live = await readLiveState(paths, io.env, configuration)
    checkKeystore(live)
    const port = await checkPort(paths, live)
    return await withPartition(paths, async (partition) => {
      await proveKey(partition.hsm, partition.keys.canary)
      const { hsm, keys } = partition
      const trusted = live.trust.certificates.length
      const warnings = findDeviceWarnings(hsm.profile, hsm.capabilities)
      return {
        checks: [
          { check: 'Settings', found: live.settings.hardware },
          { check: 'Keystore', found: 'key and certificate fit' },
          { check: 'Trusted certificates', found: String(trusted) },
          { check: 'Port', found: port },
          { check: 'HSM', found: hsm.description },
          { check: 'Partition', found: `domain ${keys.domain}` },
          { check: 'Wrap and unwrap', found: keys.canary.kind },
        ],
        warnings: trusted === 0 ? [...warnings, 'no certificate is trusted'] : warnings,
      }
    })
  },
  print({ checks, warnings }: ValidateResult, io) {
    for (const { check, found } of checks) printLine(`${check}: ${found} :[ Successful ]`, io)
    for (const warning of warnings) io.words(`warning: ${warning}`)
  },
}

function checkKeystore({ keystore }: LiveState): void {
  const { certificate: cert, key, passphrase } = keystore
  try {
    createSecureContext({ cert, key, passphrase })
  } catch (cause) {
    throw new DomainError('ERR_SETTINGS', 'the TLS key, its password and certificate do not fit', {
      cause,
    })
  }
}

/** The service itself may have the port; anybody else may not. */
async function checkPort(paths: Paths, { settings }: LiveState): Promise<string> {
  const { address: host, port } = settings
  if (isRunning(paths)) return `${host}:${port} (the service runs)`
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const detail = `cannot listen on ${host}:${port}`
      reject(new DomainError('ERR_UNAVAILABLE', detail, { cause }))
    })
    server.listen({ host, port }, resolve)
  })
  await new Promise((resolve) => server.close(resolve))
  return `${host}:${port}`
}
