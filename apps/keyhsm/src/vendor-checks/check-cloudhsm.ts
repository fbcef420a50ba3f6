/** AWS CloudHSM: the user of the settings must be a crypto user, on every member of the cluster, and not locked. */
import { bad, good, unknown, type VendorFinding, type VendorSurroundings } from './finding.js'
import { runVendorTool, type ToolRun } from './run-vendor-tool.js'

const check = 'Crypto user'
/** Client SDK 5. `user list` needs no login. */
const cli = '/opt/cloudhsm/bin/cloudhsm-cli'
/** Client SDK 3, as in the manual; `listUsers` needs no login either. */
const managementTool = '/opt/cloudhsm/bin/cloudhsm_mgmt_util'
const managementConfig = '/opt/cloudhsm/etc/cloudhsm_mgmt_util.cfg'

/** A user of the cluster as one of the tools shows it. */
export interface CloudhsmUser {
  readonly name: string
  /** `CU`, or what the tool calls another type. */
  readonly type: string
  readonly locked: boolean
  /** Whether every member of the cluster has the user. */
  readonly everywhere: boolean
}

export async function checkCloudhsm(surroundings: VendorSurroundings): Promise<VendorFinding[]> {
  return [await checkUser(surroundings)]
}

/** Users of `cloudhsm-cli user list`; undefined when it is no list. Roles: `admin`, `crypto-user`, … */
export function parseUserList(output: string): CloudhsmUser[] | undefined {
  const start = output.indexOf('{')
  const end = output.lastIndexOf('}')
  try {
    const { error_code, data } = JSON.parse(output.slice(start, end + 1)) as CliReply
    if (error_code !== 0 || !Array.isArray(data?.users)) return undefined
    return data.users.map((user) => ({
      name: String(user.username),
      type: user.role === 'crypto-user' ? 'CU' : String(user.role),
      locked: String(user.locked) === 'true',
      everywhere: user['cluster-coverage'] === undefined || user['cluster-coverage'] === 'full',
    }))
  } catch {
    return undefined
  }
}

interface CliReply {
  readonly error_code?: number
  readonly data?: { readonly users?: readonly Readonly<Record<string, unknown>>[] }
}

/**
 * Users of `listUsers` of `cloudhsm_mgmt_util` or `key_mgmt_util`: index or id columns, type, name. A user that is not on
 * every server of the list is not everywhere. Undefined when there is no list.
 */
export function parseListUsers(output: string): CloudhsmUser[] | undefined {
  const servers = output.split(/^(?=.*Users on server )/m).filter((part) => rowsOf(part).length > 0)
  if (servers.length === 0) return undefined
  const perServer = servers.map(rowsOf)
  const names = new Set(perServer.flatMap((rows) => rows.map(({ name }) => name)))
  return [...names].map((name) => {
    const found = perServer.flatMap((rows) => rows.find((row) => row.name === name) ?? [])
    const type = found[0]?.type ?? ''
    return { name, type, locked: false, everywhere: found.length === perServer.length }
  })
}

function rowsOf(part: string): { type: string; name: string }[] {
  return part.split('\n').flatMap((line) => {
    const [, type, name] = /^\s*(?:\d+\s+){1,2}(PCO|PRECO|CO|CU|AU)\s+(\S+)/.exec(line) ?? []
    return type && name ? [{ type, name }] : []
  })
}

async function checkUser(surroundings: VendorSurroundings): Promise<VendorFinding> {
  const { deviceUser } = surroundings
  if (deviceUser === undefined) return unknown(check, 'no user name is set')
  const asked = await askTools(surroundings)
  if (!asked) return unknown(check, `neither ${cli} nor ${managementTool} is installed`)
  const { tool, run, users } = asked
  const connect = [
    'check that the tool connects to the cluster: configure-pkcs11 -a <IP of a member> (SDK 5),',
    `${managementTool} ${managementConfig} (SDK 3)`,
  ]
  if (run.status === undefined) return bad(check, `${tool} did not end in time`, connect)
  if (!users) return bad(check, `${tool} lists no users`, connect)
  return judge(deviceUser, users)
}

async function askTools(
  surroundings: VendorSurroundings,
): Promise<{ tool: string; run: ToolRun; users: CloudhsmUser[] | undefined } | undefined> {
  const listed = await runVendorTool(surroundings, { place: cli, args: ['user', 'list'] })
  if (listed) return { tool: 'cloudhsm-cli', run: listed, users: parseUserList(listed.output) }
  const input = 'listUsers\nquit\n'
  const run = await runVendorTool(surroundings, {
    place: managementTool,
    args: [managementConfig],
    input,
  })
  return run && { tool: 'cloudhsm_mgmt_util', run, users: parseListUsers(run.output) }
}

function judge(name: string, users: readonly CloudhsmUser[]): VendorFinding {
  const user = users.find((one) => one.name.toLowerCase() === name.toLowerCase())
  if (!user) {
    return bad(check, `the cluster has no user ${name}`, [
      `create it as a crypto user: user create --username ${name} --role crypto-user`,
    ])
  }
  if (user.type !== 'CU') {
    const remedy = ['use the name and password of a user of type CU (crypto user)']
    return bad(check, `${name} is of type ${user.type}, not CU`, remedy)
  }
  if (user.locked) {
    const remedy = [
      `an officer unlocks it: user change-password --username ${name} --role crypto-user`,
    ]
    return bad(check, `${name} is locked`, remedy)
  }
  if (!user.everywhere) {
    const remedy = ['create the user with the same password on every member of the cluster']
    return bad(check, `${name} is not on every member of the cluster`, remedy)
  }
  return good(check, `${name} is a CU on every member`)
}
