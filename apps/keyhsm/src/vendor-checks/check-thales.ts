/** nShield: `nfkminfo` must say `Usable`, the card set needs one card, the user is in `nfast`, and the hardserver's ports are nobody else's. */
import { checkGroup } from './check-group.js'
import { bad, good, unknown, type VendorFinding, type VendorSurroundings } from './finding.js'
import { judgeCardSets, parseCardSets } from './judge-card-sets.js'
import { findListeners, type Listener } from './listening-ports.js'
import { runVendorTool } from './run-vendor-tool.js'

const place = '/opt/nfast/bin/nfkminfo'
const worldCheck = 'nfkminfo'
const portCheck = 'Hardserver port'
/** Where the hardserver listens unless it was moved; the Cloudera agent has the first as well. */
const usualPorts: readonly [number, number] = [9000, 9001]
/** What the manual moves it to. */
const manualPorts: readonly [number, number] = [11500, 11501]
const hardserver = 'hardserver'

export async function checkThales(surroundings: VendorSurroundings): Promise<VendorFinding[]> {
  const run = await runVendorTool(surroundings, { place, args: [] })
  return [
    await checkGroup(surroundings, 'nfast'),
    judgeWorld(run),
    ...(run?.status === undefined
      ? []
      : [judgeCardSets(labelOf(surroundings), parseCardSets(run.output))]),
    await checkPorts(surroundings),
  ]
}

/** What `nfkminfo` says of the Security World and of each module, or undefined when it says nothing of them. */
export function parseNfkminfo(
  output: string,
): { readonly world: boolean; readonly modules: readonly boolean[] } | undefined {
  const parts = output.split(/^(?=World|Module #\d+\s*$)/m)
  const usable = (part: string | undefined) => {
    const state = /^\s*state\s+(.*)$/m.exec(part ?? '')?.[1]
    return state === undefined ? undefined : state.split(/\s+/).includes('Usable')
  }
  const world = usable(parts.find((part) => part.startsWith('World')))
  if (world === undefined) return undefined
  const modules = parts.filter((part) => part.startsWith('Module')).map(usable)
  return { world, modules: modules.filter((one) => one !== undefined) }
}

function labelOf({ device }: VendorSurroundings): string | undefined {
  return 'token' in device ? device.token.label : undefined
}

function judgeWorld(run: Awaited<ReturnType<typeof runVendorTool>>): VendorFinding {
  if (!run) return unknown(worldCheck, `${place} is not installed`)
  const remedy = ['configure the Security World before going on; see the product’s documentation']
  if (run.status === undefined) return bad(worldCheck, 'it did not end in time', remedy)
  const state = parseNfkminfo(run.output)
  if (!state) return bad(worldCheck, 'it shows no Security World', remedy)
  if (!state.world) return bad(worldCheck, 'the Security World is !Usable', remedy)
  const usable = state.modules.filter(Boolean).length
  if (usable === 0) return bad(worldCheck, 'no module is Usable', remedy)
  return good(worldCheck, `Usable, ${usable} of ${state.modules.length} module(s) usable`)
}

async function checkPorts({ device }: VendorSurroundings): Promise<VendorFinding> {
  const moved = 'env' in device ? Number(device.env['NFAST_SERVER_PORT']) : Number.NaN
  const wanted = Number.isInteger(moved) ? moved : undefined
  const asked = [...usualPorts, ...manualPorts, ...(wanted === undefined ? [] : [wanted])]
  return judgePorts(wanted, await findListeners(asked))
}

/** What the listeners mean for a hardserver on port `moved`, or on its usual ports when that is undefined. */
export function judgePorts(
  moved: number | undefined,
  listeners: readonly Listener[],
): VendorFinding {
  const on = (port: number) => listeners.filter((listener) => listener.port === port)
  const wanted = moved === undefined ? usualPorts : [moved]
  const others = wanted.flatMap(on).filter(({ program }) => program !== hardserver)
  const known = others.find(({ program }) => program !== undefined)
  if (known) {
    const free = manualPorts.some((port) => on(port).length > 0)
      ? ([11510, 11511] as const)
      : manualPorts
    const clash = `port ${known.port} is ${known.program}’s, not the hardserver’s`
    return bad(portCheck, clash, [...moveTo(free), `set thales.nfast_server_port=${free[0]}`])
  }
  const [unseen] = others
  if (unseen) return unknown(portCheck, `${unseen.port} is taken; run as root to see by whom`)
  if (wanted.some((port) => on(port).length > 0)) {
    return good(portCheck, `${wanted.join(' and ')}: the hardserver’s`)
  }
  if (moved !== undefined) {
    return bad(portCheck, `nobody listens on ${moved}`, moveTo([moved, moved + 1]))
  }
  return unknown(
    portCheck,
    `nobody listens on ${usualPorts.join(' or ')}: the local socket is used`,
  )
}

/** The manual's commands. */
function moveTo([port, privileged]: readonly [number, number]): string[] {
  const options = '--enable-tcp --enable-privileged-tcp'
  return [
    `sudo /opt/nfast/bin/config-server startup ${options} --port=${port} --privport=${privileged}`,
    'sudo /opt/nfast/sbin/init.d-ncipher restart',
  ]
}
