import { type Command, printLine } from '@keyhsm/command-line'
import { DomainError, errorTraits, toDomainError } from '@keyhsm/core'
import { createSecureContext } from 'node:tls'
import type { BackendConfiguration } from '../backend-configuration.js'
import { readConfiguration, showConfiguration, withoutPins } from '../configuration.js'
import { proveKey } from '../keys/prove-key.js'
import type { Partition } from '../partition/partition.js'
import { type Paths, pathsIn } from '../paths.js'
import { type LiveState, readLiveState } from '../service/live-state.js'
import type { Environment } from '../keystore-password.js'
import { findDeviceWarnings } from '../service/status.js'
import {
  checkInstallation,
  findDeviceUser,
  withFindings,
} from '../vendor-checks/check-installation.js'
import type { VendorFinding } from '../vendor-checks/finding.js'
import { checkListener } from '../setup/check-listener.js'
import { keystorePasswordOption, withKeystorePassword } from './keystore-access.js'
import { withPartitionOf } from './with-partition.js'
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
 * Runs the vendor's own checks, then goes the way of `start` up to connected and asks each HSM for one round trip; stops at
 * the first fault of those where there is one HSM.
 */
export const validateCommand: Command = {
  name: 'validate',
  summary: 'validate that Key HSM is properly configured',
  options: [keystorePasswordOption],
  async run({ home, ...input }, io): Promise<ValidateResult> {
    const paths = pathsIn(home.keyhsm)
    const configuration = await readConfiguration(paths)
    try {
      const env = await withKeystorePassword(input, io, paths)
      const live = await readLiveState(paths, env, showConfiguration(configuration))
      checkKeystore(live)
      const port = await checkPort(paths, live)
      const found = await checkBackends(configuration.backends, { paths, env: io.env })
      const trusted = live.trust.certificates.length
      return {
        checks: [
          ...toChecks({ Settings: live.settings.hardware, Keystore: 'key and certificate fit' }),
          ...toChecks({ 'Trusted certificates': String(trusted), Port: port }),
          ...found.checks,
        ],
        warnings: [...found.warnings, ...(trusted === 0 ? ['no certificate is trusted'] : [])],
      }
    } finally {
      withoutPins(configuration)
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

type Found = Pick<ValidateResult, 'checks' | 'warnings'>

interface Surroundings {
  readonly paths: Paths
  readonly env: Environment
}

/** Where there are several, each is tried: a fault of one says nothing about the others. */
async function checkBackends(
  backends: readonly BackendConfiguration[],
  o: Surroundings,
): Promise<Found> {
  const [only] = backends
  if (only && backends.length === 1) return await checkBackend(only, o)
  const checks: ValidateResult['checks'][number][] = []
  const warnings: string[] = []
  for (const backend of backends) {
    const found = await checkBackend(backend, o).catch((error: unknown) => toFailure(error))
    checks.push(...found.checks.map((one) => ({ ...one, check: `${backend.name}: ${one.check}` })))
    warnings.push(...found.warnings.map((warning) => `${backend.name}: ${warning}`))
  }
  return { checks, warnings }
}

function toFailure(thrown: unknown): Found {
  const { message, hints } = toDomainError(thrown)
  return {
    checks: [{ check: 'HSM', found: message, verdict: 'bad', remedy: hints }],
    warnings: [],
  }
}

/** The vendor's own checks and one round trip. */
async function checkBackend(
  configuration: BackendConfiguration,
  { paths, env }: Surroundings,
): Promise<Found> {
  const deviceUser = findDeviceUser(configuration, configuration.pin)
  const findings = await checkInstallation(configuration, { paths, env, deviceUser })
  const found = await withPartitionOf(paths, configuration, tryPartition).catch(
    (error: unknown) => {
      throw withFindings(toDomainError(error), findings)
    },
  )
  return { ...found, checks: [...findings, ...found.checks] }
}

/** The round trip, and what it showed of the device. */
async function tryPartition(partition: Partition): Promise<Found> {
  const { hsm, keys } = partition
  await proveKey(hsm, keys.canary)
  const { keys: count, limit } = partition.capacity.state()
  return {
    checks: toChecks({
      HSM: hsm.description,
      // Every Key HSM of one Trustee installation must show the same.
      Partition: `domain ${keys.domain}, the same on every node`,
      Keys: limit === undefined ? String(count) : `${count} of ${limit}`,
      'Wrap and unwrap': keys.canary.kind,
    }),
    warnings: findDeviceWarnings(hsm.profile, hsm.capabilities),
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
