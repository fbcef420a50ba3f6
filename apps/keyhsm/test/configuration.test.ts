import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SecretBytes } from '@keyhsm/core'
import { sealSetting } from '@keyhsm/service'
import { describe, expect, it, vi } from 'vitest'
import { parseConfiguration, readConfiguration } from '../src/configuration.js'
import { readAdministrators, readLocalAdministrator } from '../src/local-administrator.js'
import { makeHome, makeRoot } from './home.js'

vi.setConfig({ testTimeout: 30_000 })

const key = SecretBytes.own(Buffer.alloc(32, 1))
const pin = (name: string) => sealSetting(key, name, SecretBytes.own(Buffer.from('1234')))
const parseAll = (lines: string[]) =>
  parseConfiguration(lines.join('\n'), 'application.properties', key)
/** What the file says of the service and of its first HSM. */
const parse = (lines: string[]) => {
  const { settings, backends } = parseAll(lines)
  return { ...backends[0], settings: { ...settings, ...backends[0].settings } }
}

const softhsm = [
  'keyhsm.hardware=softhsm',
  'softhsm.library=/usr/lib/softhsm/libsofthsm2.so',
  'softhsm.token.label=keyhsm',
  `softhsm.pin=${pin('softhsm.pin')}`,
]

describe('application.properties', () => {
  it('has defaults for all but the device', () => {
    const { settings, device } = parse(softhsm)
    expect(settings).toMatchObject({
      address: '127.0.0.1',
      port: 9090,
      scope: 'deposit',
      kind: undefined,
      recheckMs: 60_000,
      maxAgeMs: 365 * 86400e3,
      maxContentBytes: 17 * 2 ** 20,
    })
    expect(device).toEqual({
      hardware: 'softhsm',
      library: '/usr/lib/softhsm/libsofthsm2.so',
      token: { label: 'keyhsm' },
      env: {},
    })
  })

  const thales = [
    'keyhsm.management.address = 172.19.1.2',
    'keyhsm.server.port = 9090',
    'keyhsm.management.port = 9899',
    'keyhsm.service.port = 19791',
    'keyhsm.hardware = ncipher',
    'thales.library = /opt/nfast/toolkits/pkcs11/libcknfast.so',
    'thales.slot = 1',
  ]

  it('takes the names that the old product wrote for a Thales nShield', () => {
    const lines = [...thales, `thales.ocs_password = ${pin('thales.ocs_password')}`]
    const { device, settings } = parse(lines)
    expect(device).toMatchObject({ hardware: 'ncipher', token: { slot: 1 }, env: {} })
    expect(settings).toMatchObject({ managementPort: 9899, servicePort: 19791 })
    const earlier = parse([...thales, `thales.pin = ${pin('thales.pin')}`])
    expect(earlier.pin.expose((bytes) => bytes.toString())).toBe('1234')
  })

  it('hands the library its environment, the port of the hardserver included', () => {
    const { device } = parse([
      ...thales,
      `thales.ocs_password = ${pin('thales.ocs_password')}`,
      'thales.nfast_server_port = 11500',
      'keyhsm.hsm.env.NFAST_HOME = /opt/nfast',
      'thales.library.parameters = a=b c',
    ])
    expect(device).toMatchObject({ parameters: 'a=b c' })
    expect(device).toMatchObject({ env: { NFAST_SERVER_PORT: '11500', NFAST_HOME: '/opt/nfast' } })
  })

  it('makes the PIN of a CloudHSM of user and password', () => {
    const lines = [
      'keyhsm.hardware=cloudhsm',
      'cloudhsm.library=/opt/cloudhsm/lib/libcloudhsm_pkcs11.so',
      'cloudhsm.slot=0',
      'cloudhsm.username=keyhsm',
      `cloudhsm.password=${pin('cloudhsm.password')}`,
    ]
    expect(parse(lines).pin.expose((bytes) => bytes.toString())).toBe('keyhsm:1234')
    expect(() => parse([...lines.slice(0, 3), 'cloudhsm.username=a:b'])).toThrow(
      expect.objectContaining({
        faults: [
          expect.objectContaining({ field: 'cloudhsm.username', line: 4 }),
          expect.objectContaining({ field: 'cloudhsm.password', rule: 'is missing' }),
        ],
      }),
    )
  })

  it('tells every fault with its line, and another vendor’s settings are faults', () => {
    const lines = [...softhsm, 'luna.slot=1', 'keyhsm.key.scop=all', 'keyhsm.wrap=paper']
    expect(() => parse(lines)).toThrow(
      expect.objectContaining({
        code: 'ERR_SETTINGS',
        faults: [
          expect.objectContaining({ field: 'luna.slot', line: 5 }),
          expect.objectContaining({
            field: 'keyhsm.key.scop',
            line: 6,
            rule: expect.stringMatching(/keyhsm.key.scope/),
          }),
          expect.objectContaining({ field: 'keyhsm.wrap', line: 7 }),
        ],
      }),
    )
  })

  it.each([
    [['keyhsm.server.port=1'], /keyhsm.hardware must be one of softhsm/],
    [['keyhsm.hardware=paper'], /keyhsm.hardware must be one of softhsm/],
    [[...softhsm.slice(0, 3), 'softhsm.pin=1234'], /softhsm.pin is not a sealed value/],
    [[...softhsm, 'keyhsm.management.address=localhost'], /must be an IP address/],
    [[...softhsm, 'keyhsm.key.recheck=1ms'], /keyhsm.key.recheck must be from/],
    [[...softhsm, 'keyhsm.content.max-bytes=18M'], /keyhsm.content.max-bytes must be from/],
    [[...softhsm, 'keyhsm.partition.domain=x'], /must be 32 hex digits/],
    [[...softhsm, 'thales.nfast_server_port=11500'], /is no setting/],
    [[...softhsm, 'keyhsm.hsm.env.NODE_OPTIONS=x'], /does not end with the name of a variable/],
    [[...softhsm, 'keyhsm.hsm.env.A-B=x'], /does not end with the name of a variable/],
    [[...softhsm, 'keyhsm.keystore.password.set=true'], /must be yes or no/],
  ])('is refused: %#', (lines, message) => {
    expect(() => parse(lines)).toThrow(message)
  })

  it('says how to make it when there is none', async () => {
    const { paths } = await makeRoot()
    await expect(readConfiguration(paths)).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      hints: [expect.stringMatching(/keyhsm setup/)],
    })
  })
})

describe('administrators', () => {
  it('are known by the files of their keys', async () => {
    const { paths } = await makeHome()
    expect([...(await readAdministrators(paths.admin)).keys()]).toEqual(['local'])
    await writeFile(join(paths.admin, 'broken.key'), 'x', { mode: 0o600 })
    await expect(readAdministrators(paths.admin)).rejects.toThrow(/broken.key is damaged/)
    await expect(readLocalAdministrator(paths.run)).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
  })
})
