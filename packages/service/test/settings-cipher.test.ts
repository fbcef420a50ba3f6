import { chmodSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SecretBytes, hasCode } from '@keyhsm/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseSettings, settingsSchema } from '../src/properties.js'
import {
  ensureSettingsKey,
  isSealed,
  openSetting,
  readSettingsKey,
  sealSetting,
  secretOpener,
} from '../src/settings-cipher.js'

const secret = (text: string) => SecretBytes.own(Buffer.from(text))
const opened = (bytes: SecretBytes) => bytes.expose((b) => b.toString())

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'settings-cipher-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

describe('sealSetting', () => {
  const key = SecretBytes.random(32)

  it('makes text that opens under the same key and name, never twice the same', () => {
    const [a, b] = [
      sealSetting(key, 'pin', secret('1234')),
      sealSetting(key, 'pin', secret('1234')),
    ]
    expect(a).toMatch(/^sealed:v1:[A-Za-z0-9+/=]+$/)
    expect(a).not.toBe(b)
    expect(isSealed(a)).toBe(true)
    expect(opened(openSetting(key, 'pin', a))).toBe('1234')
    expect(opened(openSetting(key, 'pin', sealSetting(key, 'pin', secret(''))))).toBe('')
  })

  it('does not open under another key or name, or with any character changed', () => {
    const text = sealSetting(key, 'pin', secret('1234'))
    expect(() => openSetting(SecretBytes.random(32), 'pin', text)).toThrow(/does not open/)
    expect(() => openSetting(key, 'other', text)).toThrow(/does not open/)
    for (let i = 0; i < text.length; i += 1) {
      const changed = text.slice(0, i) + (text[i] === 'A' ? 'B' : 'A') + text.slice(i + 1)
      expect(() => openSetting(key, 'pin', changed)).toThrow(/^pin (does not open|is not a sealed)/)
    }
    for (const bad of ['1234', '', 'sealed:v1:', 'sealed:v1:AAAA', 'sealed:v2:AAAA', `${text}\n`]) {
      expect(() => openSetting(key, 'pin', bad)).toThrow(/is not a sealed value/)
    }
  })

  it('tells the line of a password changed by hand, without the password', () => {
    const schema = settingsSchema({
      pin: { name: 'pin', secret: true, parse: (text) => text, describe: 'PIN' },
    })
    const parse = (text: string) =>
      parseSettings(text, schema, 'application.properties', { openSecret: secretOpener(key) })
    expect(parse(`pin=${sealSetting(key, 'pin', secret('1234'))}`).pin).toBe('1234')
    expect(() => parse('# c\npin=hunter2')).toThrow(
      'application.properties line 2: pin is not a sealed value; passwords are written by setup only',
    )
  })
})

describe('ensureSettingsKey', () => {
  it('makes one for its owner alone, once', async () => {
    const path = join(directory, 'settings.key')
    const made = await ensureSettingsKey(path)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const text = sealSetting(made, 'pin', secret('1'))
    expect(opened(openSetting(await ensureSettingsKey(path), 'pin', text))).toBe('1')
  })

  it('refuses a key that others can read, of another length, or behind a link', async () => {
    const path = join(directory, 'settings.key')
    await expect(readSettingsKey(path)).rejects.toSatisfy((e) => hasCode(e, 'ERR_NOT_FOUND'))
    writeFileSync(path, Buffer.alloc(31), { mode: 0o600 })
    await expect(ensureSettingsKey(path)).rejects.toThrow(/must hold 32 bytes/)
    chmodSync(path, 0o640)
    await expect(ensureSettingsKey(path)).rejects.toThrow(/only its owner can read/)
    const link = join(directory, 'link.key')
    symlinkSync(path, link)
    await expect(ensureSettingsKey(link)).rejects.toThrow(/symbolic link/)
  })
})
