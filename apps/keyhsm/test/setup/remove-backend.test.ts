import { randomBytes } from 'node:crypto'
import { SecretBytes } from '@keyhsm/core'
import { openSetting, readSettingLines, sealSetting } from '@keyhsm/service'
import { describe, expect, it } from 'vitest'
import { pathsIn } from '../../src/paths.js'
import { withoutBackend, withoutFirst } from '../../src/setup/remove-backend.js'

const paths = pathsIn('/nonexistent')
const key = () => SecretBytes.own(Buffer.alloc(32, 7))
const password = 'keyhsm.backend.new.softhsm.password'
const sealedFor = (name: string) =>
  sealSetting(key(), name, SecretBytes.own(Buffer.from('marked-pin')))

const file = `# of the service
keyhsm.server.port=9090
keyhsm.hardware=luna
# the old device
luna.slot=1
luna.pin=${sealedFor('luna.pin')}
keyhsm.hsm.env.ChrystokiConfigurationPath=/etc
keyhsm.key.scope=organisation
keyhsm.backend.default=new
keyhsm.backend.new.hardware=softhsm
keyhsm.backend.new.softhsm.token.label=x
${password}=${sealedFor(password)}
keyhsm.backend.new.hsm.env.TZ=UTC
keyhsm.backend.third.hardware=luna
keyhsm.backend.third.luna.slot=3
`

const valuesIn = (text: string) =>
  Object.fromEntries(readSettingLines(text, 'f').map((line) => [line.name, line.text]))

describe('the settings without one backend', () => {
  it('a further one: its lines go, every other line and comment stays', () => {
    const left = withoutBackend(file, paths, 'third')
    expect(left).toBe(file.replace(/^keyhsm\.backend\.third.*\n/gm, ''))
  })

  it('the first: the default one takes its names, and its password is bound to the new one', () => {
    const text = withoutFirst(file, paths, { heir: 'new', key: key() })
    const values = valuesIn(text)
    expect(Object.keys(values).filter((name) => name.includes('.new.'))).toEqual([])
    expect(values).toMatchObject({
      'keyhsm.server.port': '9090',
      'keyhsm.key.scope': 'organisation',
      'keyhsm.hardware': 'softhsm',
      'keyhsm.backend.name': 'new',
      'softhsm.token.label': 'x',
      'keyhsm.hsm.env.TZ': 'UTC',
      'keyhsm.backend.third.luna.slot': '3',
    })
    for (const gone of ['luna.slot', 'luna.pin', 'keyhsm.backend.default'])
      expect(values).not.toHaveProperty([gone])
    expect(values).not.toHaveProperty(['keyhsm.hsm.env.ChrystokiConfigurationPath'])
    expect(text).toContain('# of the service\n')
    const stored = values['softhsm.password'] ?? ''
    expect(openSetting(key(), 'softhsm.password', stored).expose(String)).toBe('marked-pin')
    expect(() => openSetting(key(), password, stored)).toThrow()
    expect(text).not.toContain('marked-pin')
  })

  it('nothing comes out when the password cannot be opened', () => {
    const other = SecretBytes.own(randomBytes(32))
    expect(() => withoutFirst(file, paths, { heir: 'new', key: other })).toThrow()
  })
})
