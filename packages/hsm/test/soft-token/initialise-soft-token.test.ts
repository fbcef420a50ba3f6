import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { connectSoftToken } from '../../src/soft-token/connect-soft-token.js'
import { initialiseSoftToken } from '../../src/soft-token/initialise-soft-token.js'
import { defaultScryptCost, parseTokenHeader } from '../../src/soft-token/token-header.js'
import { fastScrypt, makeToken } from './make-token.js'

const code = (expected: string) => expect.objectContaining({ code: expected })
const pin = 'another-pin'

describe('initialiseSoftToken', () => {
  test('costs a login what it should unless told otherwise', async () => {
    const directory = join((await makeToken()).directory, 'inner')
    await initialiseSoftToken({ directory, label: 'real', pin })
    const header = parseTokenHeader(await readFile(join(directory, 'token.json'), 'utf8'))
    expect(header.scryptCost).toBe(defaultScryptCost)
    await (await connectSoftToken({ directory, pin, label: 'real' })).close()
  })

  test('never replaces a token', async () => {
    const { connect, directory } = await makeToken()
    const again = initialiseSoftToken({ directory, label: 'again', pin, scryptCost: fastScrypt })
    await expect(again).rejects.toEqual(code('ERR_ALREADY_EXISTS'))
    await (await connect()).close()
  })

  test('sees an existing token before it spends time on the PIN', async () => {
    const { directory } = await makeToken()
    const again = initialiseSoftToken({ directory, label: 'again', pin: 'bad' })
    await expect(again).rejects.toEqual(code('ERR_ALREADY_EXISTS'))
  })

  test('of two at once, one makes the token', async () => {
    const directory = join((await makeToken()).directory, 'inner')
    const pins = ['first-pin', 'second-pin']
    const settled = await Promise.allSettled(
      pins.map((each) => {
        return initialiseSoftToken({ directory, label: 'race', pin: each, scryptCost: fastScrypt })
      }),
    )
    const winner = settled.findIndex((outcome) => outcome.status === 'fulfilled')
    const loser = settled.find((outcome) => outcome.status === 'rejected')
    expect(loser?.reason).toEqual(code('ERR_ALREADY_EXISTS'))
    await (await connectSoftToken({ directory, pin: pins[winner] ?? '' })).close()
    expect(await readdir(directory)).toEqual(['keys', 'token.json'])
  })

  test('refuses a directory with other things in it', async () => {
    const directory = join((await makeToken()).directory, 'inner')
    await mkdir(directory)
    await writeFile(join(directory, 'photo.jpg'), '')
    const call = initialiseSoftToken({ directory, label: 'x', pin, scryptCost: fastScrypt })
    await expect(call).rejects.toEqual(code('ERR_SETTINGS'))
  })

  test.each([
    ['pin', { pin: '123' }],
    ['pin', { pin: 'x'.repeat(256) }],
    ['label', { label: '' }],
    ['label', { label: 'x'.repeat(33) }],
    ['scryptCost', { scryptCost: 1000 }],
    ['scryptCost', { scryptCost: 2 ** 30 }],
  ])('refuses a bad %s: %j', async (field, change) => {
    const directory = join((await makeToken()).directory, 'inner')
    const options = { directory, label: 'x', pin, scryptCost: fastScrypt, ...change }
    await expect(initialiseSoftToken(options)).rejects.toMatchObject({
      code: 'ERR_INVALID_INPUT',
      faults: [{ field }],
    })
  })
})
