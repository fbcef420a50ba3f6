import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readRefusedLogins } from '../../src/soft-token/login.js'
import { makeToken, testPin } from './make-token.js'

const refused = expect.objectContaining({ code: 'ERR_HSM_LOGIN' })

describe('login', () => {
  test('a wrong PIN is tried once, whoever asks again', async () => {
    const { connect, directory } = await makeToken()
    await expect(connect('wrong-pin')).rejects.toEqual(refused)
    await expect(connect('wrong-pin')).rejects.toEqual(refused)
    await expect(connect('wrong-pin')).rejects.toThrow('was not tried again')
    expect((await readRefusedLogins(directory)).attempts).toBe(1)
  })

  test('another wrong PIN is one more attempt; the right one ends the latch', async () => {
    const { connect, directory } = await makeToken()
    await expect(connect('wrong-pin')).rejects.toEqual(refused)
    await expect(connect('wrong-too')).rejects.toEqual(refused)
    expect((await readRefusedLogins(directory)).attempts).toBe(2)
    await (await connect()).close()
    expect(await readRefusedLogins(directory)).toEqual({ attempts: 0, name: '' })
    expect(await readdir(directory)).toEqual(['keys', 'token.json'])
  })

  test('a connection that is open stays open', async () => {
    const { connect } = await makeToken()
    const hsm = await connect()
    await expect(connect('wrong-pin')).rejects.toEqual(refused)
    expect(await hsm.probe()).toMatchObject({ state: 'ready' })
    await hsm.close()
  })

  test('the latch holds no PIN, and survives damage to itself', async () => {
    const { connect, directory } = await makeToken()
    await expect(connect('wrong-pin')).rejects.toEqual(refused)
    const path = join(directory, 'refused-login.json')
    expect(await readFile(path, 'utf8')).not.toContain('wrong-pin')
    await writeFile(path, 'not JSON')
    await expect(connect('wrong-pin')).rejects.toEqual(refused)
    await (await connect()).close()
  })

  test('a header moved from another token refuses the PIN', async () => {
    const { connect, directory } = await makeToken()
    const path = join(directory, 'token.json')
    const text = await readFile(path, 'utf8')
    await writeFile(path, text.replace('"label": "test"', '"label": "best"'))
    await expect(connect(testPin)).rejects.toEqual(refused)
  })
})
