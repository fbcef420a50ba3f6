/** The vendor's own checks for what is configured, for `validate` and before `setup` saves. */
import { userInfo } from 'node:os'
import { findAccount } from '@keyhsm/command-line'
import { DomainError, type SecretBytes } from '@keyhsm/core'
import type { BackendDescription } from '../backend-configuration.js'
import type { Paths } from '../paths.js'
import { checkVendor } from './check-vendor.js'
import type { VendorFinding } from './finding.js'

export interface InstallationSurroundings {
  readonly paths: Pick<Paths, 'home'>
  readonly env: Readonly<Record<string, string | undefined>>
  /** As {@link findDeviceUser} gives it. */
  readonly deviceUser: string | undefined
}

/** Never throws for what is wrong; logs in nowhere. */
export async function checkInstallation(
  { device }: Pick<BackendDescription, 'device'>,
  { paths, env, deviceUser }: InstallationSurroundings,
): Promise<readonly VendorFinding[]> {
  return await checkVendor({
    device,
    folder: paths.home,
    user: findUser(),
    deviceUser,
    path: env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    root: '/',
  })
}

/** What the vendor's own checks found is what helps when the device cannot be reached. */
export function withFindings(error: DomainError, findings: readonly VendorFinding[]): DomainError {
  const { code, message, hints, faults, cause } = error
  const shown = findings
    .filter(({ verdict }) => verdict !== 'good')
    .flatMap(({ check, found, remedy }) => [`${check}: ${found}`, ...remedy])
  return new DomainError(code, message, { hints: [...hints, ...shown], faults, cause })
}

/** The name before the first colon, where the device's password has one. It is no secret. */
export function findDeviceUser(
  { device }: Pick<BackendDescription, 'device'>,
  pin: SecretBytes,
): string | undefined {
  if (device.hardware !== 'cloudhsm') return undefined
  return pin.expose((bytes) => bytes.toString('utf8').split(':')[0])
}

/** Root commands drop to the service's user where there is one; its groups are what counts. */
function findUser(): string {
  const own = userInfo().username
  return own === 'root' && findAccount('keyhsm') ? 'keyhsm' : own
}
