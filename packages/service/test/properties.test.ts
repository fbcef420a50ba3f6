import { DomainError, invalidInput } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { listSettings, parseSettings, readSettingLines, settingsSchema } from '../src/properties.js'

function parsePort(text: string, field: string): number {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw invalidInput(field, 'must be a port from 1 to 65535')
  }
  return port
}

const schema = settingsSchema({
  port: { name: 'keyhsm.server.port', default: '9090', parse: parsePort, describe: 'port' },
  host: { name: 'keyhsm.server.host', required: true, parse: (text) => text, describe: 'host' },
  slot: { name: 'keyhsm.slot', parse: (text) => Number(text), describe: 'slot' },
  pin: { name: 'keyhsm.pin', secret: true, parse: (text) => text, describe: 'PIN' },
})

function faultsOf(text: string): DomainError {
  try {
    parseSettings(text, schema, 'application.properties', {
      openSecret: (name) => {
        throw new DomainError('ERR_SETTINGS', `${name} does not open`, {
          faults: [{ field: name, rule: 'does not open' }],
        })
      },
    })
  } catch (error) {
    if (error instanceof DomainError) return error
  }
  throw new Error('parsed')
}

describe('parseSettings', () => {
  it('gives typed values, defaults and undefined for what is absent', () => {
    const settings = parseSettings('keyhsm.server.host = a\n', schema, 'f')
    const port: number = settings.port
    const host: string = settings.host
    expect({ port, host, slot: settings.slot, pin: settings.pin }).toEqual({
      port: 9090,
      host: 'a',
      slot: undefined,
      pin: undefined,
    })
  })

  it('reads what Java reads: separators, continuations, escapes, comments', () => {
    const text = '! c\n\nkeyhsm.server.host:\\u0041b\\\n   c\n  keyhsm.server.port 1\\\n2\r\n#x=1'
    const settings = parseSettings(text, schema, 'f')
    expect(settings).toMatchObject({ host: 'Abc', port: 12 })
  })

  it('tells every fault at once with its line, in their order', () => {
    const text = [
      '# head',
      'keyhsm.server.port=none',
      'keyhsm.sever.host=a',
      'keyhsm.server.port=2',
      'something.else=1',
      'keyhsm.pin=1234',
    ].join('\n')
    const error = faultsOf(text)
    expect(error.code).toBe('ERR_SETTINGS')
    expect(error.message).toBe('application.properties has 6 faults')
    expect(error.faults).toEqual([
      { field: 'keyhsm.server.port', rule: 'must be a port from 1 to 65535', line: 2 },
      {
        field: 'keyhsm.sever.host',
        rule: 'is no setting; did you mean keyhsm.server.host?',
        line: 3,
      },
      { field: 'keyhsm.server.port', rule: 'stands in line 2 already', line: 4 },
      { field: 'something.else', rule: 'is no setting', line: 5 },
      { field: 'keyhsm.pin', rule: 'does not open', line: 6 },
      { field: 'keyhsm.server.host', rule: 'is missing' },
    ])
    expect(JSON.stringify(error)).not.toContain('1234')
  })

  it('names file, line and rule in the message of a single fault', () => {
    const error = faultsOf('keyhsm.server.host=a\nkeyhsm.server.port=0\n')
    expect(error.message).toBe(
      'application.properties line 2: keyhsm.server.port must be a port from 1 to 65535',
    )
  })

  it('names the line of a malformed escape, and not one in a comment or behind a backslash', () => {
    const error = faultsOf('# \\u12\nkeyhsm.server.host=\\\\u12\nkeyhsm.slot=\\u12\n')
    expect(error.faults).toEqual([
      { field: 'line 3', rule: 'holds a malformed \\u escape', line: 3 },
    ])
  })

  it('passes on what is no DomainError: a bug in a parser is not the operator’s fault', () => {
    const broken = settingsSchema({
      a: {
        name: 'a',
        describe: '',
        parse: () => {
          throw new TypeError('bug')
        },
      },
    })
    expect(() => parseSettings('a=1', broken, 'f')).toThrow(TypeError)
  })

  it('opens secrets before they are parsed', () => {
    const settings = parseSettings('keyhsm.server.host=a\nkeyhsm.pin=sealed:x', schema, 'f', {
      openSecret: (name, text) => `${name}|${text}`,
    })
    expect(settings.pin).toBe('keyhsm.pin|sealed:x')
  })
})

describe('listSettings', () => {
  it('marks defaults and shows secrets sealed or not at all', () => {
    const text = 'keyhsm.pin=sealed:v1:abc\nkeyhsm.server.host=a\n'
    expect(listSettings(text, schema, 'f')).toEqual([
      { name: 'keyhsm.server.port', text: '9090', isDefault: true, secret: false },
      { name: 'keyhsm.server.host', text: 'a', isDefault: false, secret: false },
      { name: 'keyhsm.slot', text: undefined, isDefault: true, secret: false },
      { name: 'keyhsm.pin', text: 'sealed:v1:abc', isDefault: false, secret: true },
    ])
    expect(listSettings('keyhsm.pin=typed by hand', schema, 'f')[3]?.text).toBe('[secret]')
  })
})

describe('a family of settings', () => {
  const families = settingsSchema({
    env: {
      name: 'keyhsm.hsm.env.',
      family: true,
      comment: 'Environment of the library',
      parse: (text, field) => {
        if (text === '') throw invalidInput(field, 'must not be empty')
        return text
      },
      describe: '',
    },
  })

  it('is a record by the rest of the name, empty without lines', () => {
    const { env } = parseSettings('keyhsm.hsm.env.A=1\nkeyhsm.hsm.env.B.c = 2', families, 'f')
    expect(env).toEqual({ A: '1', 'B.c': '2' })
    expect(parseSettings('', families, 'f').env).toEqual({})
  })

  it('has faults by line, and its bare name is no setting', () => {
    const text = 'keyhsm.hsm.env.=1\nkeyhsm.hsm.env.A=\nkeyhsm.hsm.env.B=1\nkeyhsm.hsm.env.B=2'
    expect(() => parseSettings(text, families, 'f')).toThrow(
      expect.objectContaining({
        faults: [
          expect.objectContaining({ field: 'keyhsm.hsm.env.', line: 1 }),
          expect.objectContaining({ field: 'keyhsm.hsm.env.A', line: 2 }),
          expect.objectContaining({ field: 'keyhsm.hsm.env.B', line: 4 }),
        ],
      }),
    )
  })

  it('is listed line by line, with its comment', () => {
    const comment = 'Environment of the library'
    expect(listSettings('keyhsm.hsm.env.A=1', families, 'f')).toEqual([
      { name: 'keyhsm.hsm.env.A', text: '1', isDefault: false, secret: false, comment },
    ])
    expect(listSettings('', families, 'f')).toEqual([])
  })
})

describe('a name of earlier files', () => {
  const renamed = settingsSchema({
    pin: { name: 'new.pin', formerly: 'old.pin', parse: (text) => text, describe: '' },
  })

  it('is read under its own name, and both at once are one too many', () => {
    const openSecret = (name: string) => name
    expect(parseSettings('old.pin=1', renamed, 'f').pin).toBe('1')
    const secret = { pin: { ...renamed.pin, secret: true } }
    expect(parseSettings('old.pin=1', secret, 'f', { openSecret }).pin).toBe('old.pin')
    expect(() => parseSettings('old.pin=1\nnew.pin=2', renamed, 'f')).toThrow(/stands in line 1/)
  })
})

describe('readSettingLines', () => {
  it('gives lines unchecked', () => {
    expect(readSettingLines('a=1\n\nb = 2 ', 'f')).toEqual([
      { name: 'a', text: '1', line: 1 },
      { name: 'b', text: '2', line: 3 },
    ])
  })
})
