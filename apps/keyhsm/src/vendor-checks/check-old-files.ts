/** The files that the manual has copied into Key HSM's folder: they belong to the Java product and are never loaded here. */
import { readdir } from 'node:fs/promises'
import { good, type VendorFinding, type VendorSurroundings } from './finding.js'

const shown = 4

/** Which library is used, and that jars and tarballs of the manual are not needed. */
export async function checkLibrary({ device, folder }: VendorSurroundings): Promise<VendorFinding> {
  const library = 'library' in device ? device.library : 'none is needed'
  const old = (await readdir(folder).catch((): string[] => [])).filter((name) =>
    /\.(jar|tar|tgz|tar\.gz)$/.test(name),
  )
  if (old.length === 0) return good('Library', library)
  const some = old.sort().slice(0, shown).join(', ')
  const more = old.length > shown ? ` and ${old.length - shown} more` : ''
  return good('Library', `${library}; ${some}${more} of the old product are not needed`)
}
