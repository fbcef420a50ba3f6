/** Thales Luna: the client's own check is `vtl verify`, as the manual has it. */
import { checkGroup } from './check-group.js'
import { bad, good, unknown, type VendorFinding, type VendorSurroundings } from './finding.js'
import { runVendorTool } from './run-vendor-tool.js'

/** A row of `vtl verify`. */
export interface LunaSlot {
  readonly slot: number
  readonly serial: string
  readonly label: string
}

const check = 'vtl verify'
const place = '/usr/safenet/lunaclient/bin/vtl'
const registerAgain = [
  'register this client with the appliance and assign the partition to it, then: vtl verify',
  'with high availability, the client of every Key HSM host must reach the same partition',
]

export async function checkLuna(surroundings: VendorSurroundings): Promise<VendorFinding[]> {
  return [await checkGroup(surroundings, 'hsmusers'), await verify(surroundings)]
}

/** Slots and partitions that `vtl verify` lists: slot, serial number, label. */
export function parseVtlVerify(output: string): LunaSlot[] {
  return output.split('\n').flatMap((line) => {
    const [, slot, serial, label] = /^\s*(\d+)\s+(\d{5,})\s+(\S.*?)\s*$/.exec(line) ?? []
    return slot && serial && label ? [{ slot: Number(slot), serial, label }] : []
  })
}

async function verify(surroundings: VendorSurroundings): Promise<VendorFinding> {
  const run = await runVendorTool(surroundings, { place, args: ['verify'] })
  if (!run) return unknown(check, `${place} is not installed`)
  if (run.status === undefined) return bad(check, 'it did not end in time', registerAgain)
  const slots = parseVtlVerify(run.output)
  if (run.status !== 0 || slots.length === 0) {
    return bad(check, 'it shows no slot and no partition', registerAgain)
  }
  const list = slots.map(({ slot, serial, label }) => `slot ${slot} "${label}" (${serial})`)
  const chosen = slots.some((slot) => isChosen(slot, surroundings))
  const note = chosen
    ? ''
    : '; the token of the settings is not among them, unless it is an HA group'
  const shown = `${list.join(', ')}${note}`
  return chosen ? good(check, shown) : unknown(check, shown)
}

function isChosen(slot: LunaSlot, { device }: VendorSurroundings): boolean {
  if (!('token' in device)) return false
  const { serial, label, slot: number } = device.token
  return (
    (serial === undefined || serial === slot.serial) &&
    (label === undefined || label === slot.label) &&
    (number === undefined || number === slot.slot)
  )
}
