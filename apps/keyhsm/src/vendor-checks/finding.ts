import type { DeviceSettings } from '../backend-configuration.js'

/** What one check of a vendor's installation found. */
export interface VendorFinding {
  readonly check: string
  /** `unknown`: it could not be checked here, which is no fault. */
  readonly verdict: 'good' | 'bad' | 'unknown'
  readonly found: string
  /** What to do about a bad one, a line each: the vendor's or the original manual's commands. */
  readonly remedy: readonly string[]
}

/** What the checks know of the installation. Nothing secret is among it. */
export interface VendorSurroundings {
  readonly device: DeviceSettings
  /** The folder of the settings, where the old product kept the vendors' files. */
  readonly folder: string
  /** The user that Key HSM runs as. */
  readonly user: string
  /** Name of the user that logs in to the device, where the vendor has names. */
  readonly deviceUser: string | undefined
  /** PATH, where the tools are looked for after the vendor's own place. */
  readonly path: string
  /** Of the machine, without the vendors' directories: `/`, or a test's. */
  readonly root: string
}

export function good(check: string, found: string): VendorFinding {
  return { check, verdict: 'good', found, remedy: [] }
}

export function bad(check: string, found: string, remedy: readonly string[]): VendorFinding {
  return { check, verdict: 'bad', found, remedy }
}

export function unknown(check: string, found: string): VendorFinding {
  return { check, verdict: 'unknown', found, remedy: [] }
}
