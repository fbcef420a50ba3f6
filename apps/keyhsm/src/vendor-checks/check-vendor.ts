/** The vendor's own checks, as the original manual asks for them before setup. They log in nowhere. */
import type { Hardware } from '../settings.js'
import { checkCloudhsm } from './check-cloudhsm.js'
import { checkLuna } from './check-luna.js'
import { checkLibrary } from './check-old-files.js'
import { checkThales } from './check-thales.js'
import type { VendorFinding, VendorSurroundings } from './finding.js'

const checks: Readonly<
  Partial<Record<Hardware, (surroundings: VendorSurroundings) => Promise<VendorFinding[]>>>
> = { luna: checkLuna, ncipher: checkThales, cloudhsm: checkCloudhsm }

/** Everything that can be found out about the vendor's installation without asking the device. Never throws for it. */
export async function checkVendor(surroundings: VendorSurroundings): Promise<VendorFinding[]> {
  const own = (await checks[surroundings.device.hardware]?.(surroundings)) ?? []
  return [await checkLibrary(surroundings), ...own]
}
