import { format, inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { SecretBytes, withSecret } from '../src/secret-bytes.js'

const text = 'MARKED-SECRET'
const secret = () => SecretBytes.own(Buffer.from(text))

describe('SecretBytes', () => {
  it('does not print by any of the usual ways', () => {
    const value = secret()
    const nested = { deep: [value] }
    const printed = [
      String(value),
      `${value.toString()}`,
      JSON.stringify(nested),
      inspect(nested, { depth: 9, showHidden: true }),
      format('%s %o %j', value, value, value),
      Object.keys(value).join(),
    ].join('\n')
    expect(printed).not.toContain(text)
    expect(printed).not.toContain(Buffer.from(text).toString('hex'))
    expect(printed).not.toContain('77, 65, 82')
  })

  it('lends its bytes', () => {
    expect(secret().expose((bytes) => bytes.toString())).toBe(text)
    expect(secret().length).toBe(text.length)
  })

  it('owns the memory it was given, of a view only the part that shows', () => {
    const memory = new Uint8Array([1, 2, 3, 4])
    SecretBytes.own(memory.subarray(1, 3)).wipe()
    expect([...memory]).toEqual([1, 0, 0, 4])
  })

  it('is gone after wipe', () => {
    const value = secret()
    const memory = value.expose((bytes) => bytes)
    value.wipe()
    value.wipe()
    expect(memory.every((byte) => byte === 0)).toBe(true)
    expect(() => value.expose(() => 'read')).toThrow('secret was wiped')
  })

  it('is random when asked for', () => {
    const [one, two] = [SecretBytes.random(32), SecretBytes.random(32)]
    expect(one.length).toBe(32)
    expect(one.expose((a) => two.expose((b) => a.equals(b)))).toBe(false)
  })
})

describe('withSecret', () => {
  it('wipes after use, also when the use fails or takes its time', async () => {
    const used = secret()
    expect(await withSecret(used, async (value) => value.expose((bytes) => bytes.toString()))).toBe(
      text,
    )
    const failed = secret()
    await expect(withSecret(failed, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    const thrown = secret()
    await expect(
      withSecret(thrown, () => {
        throw new Error('at once')
      }),
    ).rejects.toThrow('at once')
    for (const value of [used, failed, thrown]) {
      expect(() => value.expose(() => 0)).toThrow('secret was wiped')
    }
  })
})
