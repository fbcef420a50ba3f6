/** The vendors' own checks: scripts print what the vendors document, and what is made of it is shown. */
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { DeviceSettings } from '../../src/backend-configuration.js'
import { parseListUsers, parseUserList } from '../../src/vendor-checks/check-cloudhsm.js'
import { judgePorts, parseNfkminfo } from '../../src/vendor-checks/check-thales.js'
import { checkVendor } from '../../src/vendor-checks/check-vendor.js'
import type { VendorFinding, VendorSurroundings } from '../../src/vendor-checks/finding.js'
import { findListeners } from '../../src/vendor-checks/listening-ports.js'
import { runVendorTool } from '../../src/vendor-checks/run-vendor-tool.js'
import { FakeVendor } from './fake-vendor.js'

let vendor: FakeVendor

beforeEach(async () => {
  vendor = await FakeVendor.make()
})

afterEach(() => vendor.dispose())

const library = '/opt/vendor/lib.so'
const luna: DeviceSettings = {
  hardware: 'luna',
  library,
  env: {},
  token: { serial: '1238696044950' },
}
const thales: DeviceSettings = { hardware: 'ncipher', library, env: {}, token: { label: 'ocs' } }
const cloudhsm: DeviceSettings = {
  hardware: 'cloudhsm',
  library,
  env: {},
  token: { label: 'hsm1' },
}

async function find(
  check: string,
  device: DeviceSettings,
  more?: Partial<VendorSurroundings>,
): Promise<VendorFinding> {
  const findings = await checkVendor(vendor.surroundings(device, more))
  const found = findings.find((one) => one.check === check)
  if (!found) throw new Error(`no finding ${check}: ${findings.map((one) => one.check).join()}`)
  return found
}

describe('the library', () => {
  test('is named, and jars and tarballs of the manual are said not to be needed', async () => {
    for (const name of ['nCipherKM.jar', 'jcetools.jar', 'keysecure-client.tar.gz', 'notes.txt']) {
      await writeFile(join(vendor.root, name), '')
    }
    const { verdict, found } = await find('Library', thales)
    expect(verdict).toBe('good')
    expect(found).toContain(library)
    expect(found).toContain(
      'jcetools.jar, keysecure-client.tar.gz, nCipherKM.jar of the old product',
    )
    expect(found).not.toContain('notes.txt')
  })

  test('stands alone without such files', async () => {
    expect((await find('Library', luna)).found).toBe(library)
  })
})

describe('the group of the vendor', () => {
  test('holds the user', async () => {
    await vendor.hasGroup('hsmusers', 'keyhsm')
    expect(await find('Group hsmusers', luna)).toMatchObject({ verdict: 'good' })
  })

  test('lacks the user: the manual’s command', async () => {
    await vendor.hasGroup('nfast', 'somebody')
    expect(await find('Group nfast', thales)).toMatchObject({
      verdict: 'bad',
      found: 'keyhsm is not a member',
      remedy: ['sudo usermod -a -G nfast keyhsm', expect.any(String)],
    })
  })

  test('is not there', async () => {
    await vendor.hasGroup('other')
    expect(await find('Group hsmusers', luna)).toMatchObject({ verdict: 'unknown' })
  })
})

describe('Luna: vtl verify', () => {
  const place = '/usr/safenet/lunaclient/bin/vtl'
  const listing = `The following Luna SA Slots/Partitions were found:

Slot\tSerial #        \tLabel
====\t================\t=====
  0\t  1238696044950\tpar 0
  1\t  1238696044951\tpar1`

  test('shows the partition of the settings', async () => {
    await vendor.prints(place, listing)
    const { verdict, found } = await find('vtl verify', luna)
    expect(verdict).toBe('good')
    expect(found).toBe('slot 0 "par 0" (1238696044950), slot 1 "par1" (1238696044951)')
  })

  test('shows another partition', async () => {
    await vendor.prints(place, listing)
    const other: DeviceSettings = { ...luna, token: { slot: 5 } }
    const { verdict, found } = await find('vtl verify', other)
    expect(verdict).toBe('unknown')
    expect(found).toContain('not among them')
  })

  test.each([
    ['shows nothing', 'No Luna SA Slots/Partitions were found.', 0],
    ['fails', 'Error: cannot connect', 1],
  ])('%s', async (_what, text, status) => {
    await vendor.prints(place, text, status)
    const { verdict, remedy } = await find('vtl verify', luna)
    expect(verdict).toBe('bad')
    expect(remedy.join()).toContain('same partition')
  })

  test('is not installed', async () => {
    expect(await find('vtl verify', luna)).toMatchObject({ verdict: 'unknown' })
  })
})

describe('nShield: nfkminfo', () => {
  const place = '/opt/nfast/bin/nfkminfo'
  const info = (world: string, module: string) => `World
 generation  2
 state       0x17a70000 Initialised ${world} Recovery PINRecovery !ExistingClient
 n_modules   1
Module #1
 generation  2
 state       0x2 ${module}
 flags       0x10000 ShareTarget
Module #1 Slot #0 IC 0
 state       0x2 Empty
No Pre-Loaded Objects`

  test('Usable', async () => {
    await vendor.prints(place, info('Usable', 'Usable'))
    const { verdict, found } = await find('nfkminfo', thales)
    expect([verdict, found]).toEqual(['good', 'Usable, 1 of 1 module(s) usable'])
  })

  test.each([
    ['!Usable', 'Usable', 'the Security World is !Usable'],
    ['Usable', 'PreInitMode', 'no module is Usable'],
  ])('world %s, module %s', async (world, module, found) => {
    await vendor.prints(place, info(world, module))
    expect(await find('nfkminfo', thales)).toMatchObject({ verdict: 'bad', found })
  })

  test('is understood as far as it goes', () => {
    expect(parseNfkminfo('')).toBeUndefined()
    expect(parseNfkminfo(info('Usable', '!Usable'))).toEqual({ world: true, modules: [false] })
  })

  test('hangs: given up in time', async () => {
    await vendor.install(place, 'sleep 30')
    const began = performance.now()
    const run = await runVendorTool(vendor.surroundings(thales), { place, args: [], limitMs: 200 })
    expect(run?.status).toBeUndefined()
    expect(performance.now() - began).toBeLessThan(5000)
  })
})

describe('nShield: operator card sets', () => {
  const place = '/opt/nfast/bin/nfkminfo'
  const info = (...sets: string[]) => `World
 state       0x17a70000 Initialised Usable
Module #1
 state       0x2 Usable
${sets
  .map(
    (set, slot) => `Module #1 Slot #${slot} IC 11
 phystype      SmartCard
 state         0x5 Operator
Cardset
 name          "${set.split(' ')[0]}"
 k-out-of-n    ${set.split(' ')[1]}
 flags         NotPersistent
`,
  )
  .join('')}No Pre-Loaded Objects`
  const card = async (...sets: string[]) => {
    await vendor.prints(place, info(...sets))
    return await find('Operator card set', thales)
  }
  const { label = '' } = 'token' in thales ? thales.token : {}

  test('one card is enough', async () => {
    expect(await card('other 2/3', `${label} 1/3`)).toMatchObject({
      verdict: 'good',
      found: `“${label}” is 1 of 3`,
    })
  })

  test('several cards are needed: not supported, and what is', async () => {
    const { verdict, found, remedy } = await card(`${label} 2/3`)
    expect([verdict, found]).toEqual([
      'bad',
      `“${label}” is 2 of 3: PKCS#11 logs in with the passphrase of one card`,
    ])
    expect(remedy.join()).toMatch(/card set of 1 of N, or a softcard.*preload.*not supported/)
  })

  test('another one, or none, is in the readers', async () => {
    expect(await card('other 1/1')).toMatchObject({
      verdict: 'unknown',
      found: expect.stringContaining('other'),
    })
    expect(await card()).toMatchObject({
      verdict: 'unknown',
      found: expect.stringContaining('softcard'),
    })
  })
})

describe('nShield: the hardserver’s ports', () => {
  test('taken by another program: the manual’s commands with free ports', () => {
    const finding = judgePorts(undefined, [{ port: 9000, program: 'cmagent' }])
    expect(finding).toMatchObject({ verdict: 'bad', found: expect.stringContaining('cmagent') })
    expect(finding.remedy).toEqual([
      'sudo /opt/nfast/bin/config-server startup --enable-tcp --enable-privileged-tcp --port=11500 --privport=11501',
      'sudo /opt/nfast/sbin/init.d-ncipher restart',
      'set thales.nfast_server_port=11500',
    ])
  })

  test('the manual’s own ports are taken too', () => {
    const listeners = [9001, 11500].map((port) => ({ port, program: 'java' }))
    expect(judgePorts(undefined, listeners).remedy.join()).toContain(
      '--port=11510 --privport=11511',
    )
  })

  test('its own, free, moved, or not to be seen', () => {
    const ours = { port: 9000, program: 'hardserver' }
    expect(judgePorts(undefined, [ours]).verdict).toBe('good')
    expect(judgePorts(undefined, []).verdict).toBe('unknown')
    expect(judgePorts(undefined, [{ port: 9001, program: undefined }]).verdict).toBe('unknown')
    expect(judgePorts(12000, [{ port: 12000, program: 'hardserver' }]).verdict).toBe('good')
    const unseen = judgePorts(12000, [{ port: 12000, program: undefined }])
    expect(unseen.verdict).toBe('unknown')
    const nobody = judgePorts(12000, [ours])
    expect(nobody.verdict).toBe('bad')
    expect(nobody.remedy[0]).toContain('--port=12000 --privport=12001')
  })

  test('the moved one is another program’s: the commands with ports that are free', () => {
    const finding = judgePorts(11500, [{ port: 11500, program: 'java' }])
    expect(finding).toMatchObject({
      verdict: 'bad',
      found: 'port 11500 is java’s, not the hardserver’s',
    })
    expect(finding.remedy.join()).toMatch(/--port=11510 .*set thales.nfast_server_port=11510/)
  })

  test('a moved port comes from the settings, and a real listener is seen', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    expect(await findListeners([port])).toEqual([{ port, program: expect.any(String) }])
    const moved: DeviceSettings = { ...thales, env: { NFAST_SERVER_PORT: String(port) } }
    // This very process, which is no hardserver.
    expect((await find('Hardserver port', moved)).found).toMatch(`port ${port} is `)
    await new Promise((resolve) => server.close(resolve))
    expect(await findListeners([port])).toEqual([])
    expect((await find('Hardserver port', moved)).found).toBe(`nobody listens on ${port}`)
  })
})

describe('CloudHSM: the crypto user', () => {
  const cli = '/opt/cloudhsm/bin/cloudhsm-cli'
  const old = '/opt/cloudhsm/bin/cloudhsm_mgmt_util'
  const user = (change: object) => ({
    username: 'keyhsm_cu',
    role: 'crypto-user',
    locked: 'false',
    mfa: [],
    'cluster-coverage': 'full',
    ...change,
  })
  const list = (change: object) =>
    JSON.stringify({ error_code: 0, data: { users: [user(change)] } })
  const asked = () => find('Crypto user', cloudhsm, { deviceUser: 'keyhsm_cu' })

  test('is one, everywhere (SDK 5)', async () => {
    await vendor.prints(cli, list({}))
    expect(await asked()).toMatchObject({
      verdict: 'good',
      found: 'keyhsm_cu is a CU on every member',
    })
  })

  test.each([
    [{ role: 'admin' }, 'is of type admin, not CU'],
    [{ locked: 'true' }, 'is locked'],
    [{ 'cluster-coverage': 'partial' }, 'is not on every member'],
    [{ username: 'other' }, 'has no user keyhsm_cu'],
  ])('%o', async (change, found) => {
    await vendor.prints(cli, list(change))
    const finding = await asked()
    expect(finding).toMatchObject({ verdict: 'bad', found: expect.stringContaining(found) })
    expect(finding.remedy).toHaveLength(1)
  })

  test('cannot be asked: how to connect', async () => {
    await vendor.prints(cli, '{ "error_code": 1, "data": "could not connect" }', 1)
    const { verdict, remedy } = await asked()
    expect(verdict).toBe('bad')
    expect(remedy.join()).toContain('configure-pkcs11 -a')
  })

  const servers = (second: string) => `Connecting to the server(s), it may take time
aws-cloudhsm>Users on server 0(10.0.0.1):
Number of users found:3

    User Id    User Type  User Name     MofnPubKey  LoginFailureCnt  2FA
         1     PCO        admin         NO          0                NO
         2     AU         app_user      NO          0                NO
         3     CU         keyhsm_cu     NO          0                NO
Users on server 1(10.0.0.2):
Number of users found:2
         1     PCO        admin         NO          0                NO
         3     ${second}`

  test('is one on all servers (SDK 3), asked on standard input', async () => {
    const answer = servers('CU         keyhsm_cu     NO          0                NO')
    await vendor.install(
      old,
      `read order; [ "$order" = listUsers ] || exit 3; [ "$1" = /opt/cloudhsm/etc/cloudhsm_mgmt_util.cfg ] || exit 4\ncat <<'END'\n${answer}\nEND`,
    )
    expect(await asked()).toMatchObject({ verdict: 'good' })
  })

  test('is missing on one server (SDK 3)', async () => {
    await vendor.prints(old, servers('AU         app_user      NO          0                NO'))
    expect(await asked()).toMatchObject({
      verdict: 'bad',
      found: 'keyhsm_cu is not on every member of the cluster',
    })
  })

  test('key_mgmt_util’s list, with an index before the id, is understood too', () => {
    const kmu = `Number Of Users found 2
  Index  User ID  User Type  User Name  MofnPubKey  LoginFailureCnt  2FA
  1      1        PCO        admin      NO          0                NO
  2      3        CU         alice      YES         0                NO`
    expect(parseListUsers(kmu)).toContainEqual({
      name: 'alice',
      type: 'CU',
      locked: false,
      everywhere: true,
    })
    expect(parseListUsers('nothing')).toBeUndefined()
    expect(parseUserList('nothing')).toBeUndefined()
  })

  test('no tool, no check', async () => {
    expect(await asked()).toMatchObject({ verdict: 'unknown' })
  })
})

test('SoftHSM has no checks but the library', async () => {
  const device: DeviceSettings = { hardware: 'softhsm', library, env: {}, token: { label: 'a' } }
  const findings = await checkVendor(vendor.surroundings(device))
  expect(findings.map(({ check }) => check)).toEqual(['Library'])
})
