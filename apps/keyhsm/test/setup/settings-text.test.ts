import { describe, expect, it } from 'vitest'
import { findUnread, hasPassword, toSettingsText } from '../../src/setup/settings-text.js'

/** As the manual shows the settings of the old product, in the form of its file. */
const oldProduct = `# written by an operator
keyhsm.management.address=172.19.1.2
keyhsm.server.port=9090
keyhsm.management.port=9899

keyhsm.service.port=19791
keyhsm.hardware=ncipher
# Module OCS Password
thales.ocs_password=GIqhXDuZsj1Oet137Lb+f+tqkYvKYDm/8StefpNqZWwlB+LfSYlB4eHd
keyhsm.db.path=/somewhere
`

describe('a new file', () => {
  it('shows the manual’s settings in the manual’s order, the password under its comment', () => {
    const text = toSettingsText(
      undefined,
      { hardware: 'ncipher', place: undefined },
      {
        'thales.ocs_password': 'sealed:v1:AAAA',
        'thales.library': '/opt/nfast/toolkits/pkcs11/libcknfast.so',
        'keyhsm.management.address': '172.19.1.2',
      },
    )
    expect(text.split('\n').slice(2)).toEqual([
      'keyhsm.management.address=172.19.1.2',
      'keyhsm.server.port=9090',
      'keyhsm.management.port=9899',
      'keyhsm.service.port=19791',
      'keyhsm.hardware=ncipher',
      'thales.library=/opt/nfast/toolkits/pkcs11/libcknfast.so',
      '# Module OCS Password',
      'thales.ocs_password=sealed:v1:AAAA',
      '',
    ])
  })
})

describe('a file of the old product', () => {
  it('is read as far as it can be, and what cannot is named with its line', () => {
    expect(findUnread(oldProduct, 'ncipher')).toEqual([
      { line: 9, name: 'thales.ocs_password', why: expect.stringMatching(/only the program/) },
      { line: 10, name: 'keyhsm.db.path', why: 'is no setting of Key HSM' },
    ])
    expect(hasPassword(oldProduct, 'ncipher')).toBe(false)
  })

  it('keeps its comments, order and answers; its password is replaced in its place', () => {
    const changes = { 'thales.ocs_password': 'sealed:v1:AAAA', 'keyhsm.server.port': '9443' }
    const text = toSettingsText(oldProduct, { hardware: 'ncipher', place: undefined }, changes)
    expect(text).toBe(
      oldProduct
        .replace('server.port=9090', 'server.port=9443')
        .replace(/thales.ocs_password=.*/, 'thales.ocs_password=sealed:v1:AAAA')
        .replace('keyhsm.db.path=/somewhere\n', ''),
    )
    expect(hasPassword(text, 'ncipher')).toBe(true)
  })

  it('loses the lines of a device that is no longer used', () => {
    const text = toSettingsText(
      oldProduct,
      { hardware: 'luna', place: undefined },
      { 'luna.slot': '1', 'luna.pin': 'sealed:v1:B' },
    )
    expect(text).not.toMatch(/thales/)
    expect(text).toMatch(/^keyhsm.hardware=luna$/m)
    expect(text).toMatch(/^# Partition password\nluna.pin=sealed:v1:B$/m)
  })
})
