import { bad, good, unknown, type VendorFinding, type VendorSurroundings } from './finding.js'
import { runVendorTool } from './run-vendor-tool.js'

/** Whether Key HSM's user is in the group that the vendor's client lets in. Asked of the system, not of one file. */
export async function checkGroup(
  surroundings: VendorSurroundings,
  group: string,
): Promise<VendorFinding> {
  const { user } = surroundings
  const check = `Group ${group}`
  const known = await runVendorTool(surroundings, {
    place: '/usr/bin/getent',
    args: ['group', group],
  })
  if (known?.status !== 0) return unknown(check, 'there is no such group on this machine')
  const groups = await runVendorTool(surroundings, { place: '/usr/bin/id', args: ['-Gn', user] })
  if (groups?.status !== 0) return unknown(check, `the groups of ${user} are not known`)
  if (groups.output.trim().split(/\s+/).includes(group)) return good(check, `${user} is a member`)
  const remedy = [`sudo usermod -a -G ${group} ${user}`, 'then restart Key HSM']
  return bad(check, `${user} is not a member`, remedy)
}
