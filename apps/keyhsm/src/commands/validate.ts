import { type Command, printLine } from '@keyhsm/command-line'
import { DomainError, errorTraits, toDomainError } from '@keyhsm/core'
import { createSecureContext } from 'node:tls'
import { readConfiguration } from '../configuration.js'
import { proveKey } from '../keys/prove-key.js'
import type { Partition } from '../partition/partition.js'
import { type Paths, pathsIn } from '../paths.js'
import { type LiveState, readLiveState } from '../service/live-state.js'
import { findDeviceWarnings } from '../service/status.js'
import {
  checkInstallation,
  findDeviceUser,
  withFindings,
} from '../vendor-checks/check-installation.js'
import type { VendorFinding } from '../vendor-checks/finding.js'
import { checkListener } from '../setup/check-listener.js'
import { keystorePasswordOption, withKeystorePassword } from './keystore-access.js'
import { withPartition } from './with-partition.js'
import { isRunning } from './with-service.js'

interface ValidateResult {
  readonly checks: readonly {
    readonly check: string
    readonly found: string
    readonly verdict: VendorFinding['verdict']
    readonly remedy?: readonly string[]
  }[]
  readonly warnings: readonly string[]
}

/**
 * Runs the vendor's own checks, then goes the way of `start` up to connected and asks the HSM for one round trip; stops at
 * the first fault of those.
 */
export const validateCommand: Command = {
  name: 'validate',
  summary: 'validate that Key HSM is properly configured',
  options: [keystorePasswordOption],
  async run({ home, ...input }, io): Promise<ValidateResult> {
    const paths = pathsIn(home.keyhsm)
    const { pin, ...configuration } = await readConfiguration(paths)
    const deviceUser = findDeviceUser(configuration, pin)
    pin.wipe()
    const env = await withKeystorePassword(input, io, paths)
    const live = await readLiveState(paths, env, configuration)
    checkKeystore(live)
    const port = await checkPort(paths, live)
    const findings = await checkInstallation(configuration, { paths, env: io.env, deviceUser })
    const found = await withPartition(paths, (partition) => tryPartition(partition, live)).catch(
      (error: unknown) => {
        throw withFindings(toDomainError(error), findings)
      },
    )
    return {
      checks: [
        ...toChecks({ Settings: live.settings.hardware, Keystore: 'key and certificate fit' }),
        ...toChecks({ 'Trusted certificates': String(live.trust.certificates.length), Port: port }),
        ...findings,
        ...found.checks,
      ],
      warnings: found.warnings,
    }
  },
  print({ checks, warnings }: ValidateResult, io) {
    for (const { check, found, verdict, remedy = [] } of checks) {
      printLine(`${check}: ${found} ${marks[verdict]}`, io)
      for (const line of remedy) io.words(`hint: ${line}`)
    }
    for (const warning of warnings) io.words(`warning: ${warning}`)
  },
  exitCode({ checks }: ValidateResult) {
    return checks.some(({ verdict }) => verdict === 'bad') ? errorTraits.ERR_SETTINGS.exit : 0
  },
}

/** As the original product marked what it had checked. */
const marks = { good: ':[ Successful ]', bad: ':[ Failed ]', unknown: ':[ Not checked ]' } as const

/** The round trip, and what it showed of the device. */
async function tryPartition(
  partition: Partition,
  { trust }: LiveState,
): Promise<Pick<ValidateResult, 'checks' | 'warnings'>> {
  const { hsm, keys } = partition
  await proveKey(hsm, keys.canary)
  const { keys: count, limit } = partition.capacity.state()
  const warnings = findDeviceWarnings(hsm.profile, hsm.capabilities)
  return {
    checks: toChecks({
      HSM: hsm.description,
      // Every Key HSM of one Trustee installation must show the same.
      Partition: `domain ${keys.domain}, the same on every node`,
      Keys: limit === undefined ? String(count) : `${count} of ${limit}`,
      'Wrap and unwrap': keys.canary.kind,
    }),
    warnings:
      trust.certificates.length === 0 ? [...warnings, 'no certificate is trusted'] : warnings,
  }
}

function toChecks(found: Readonly<Record<string, string>>): ValidateResult['checks'] {
  return Object.entries(found).map(([check, what]) => ({ check, found: what, verdict: 'good' }))
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
  await checkListener(host, port)
  return `${host}:${port}`
}
