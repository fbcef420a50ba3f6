import { fork } from 'node:child_process'
import { once } from 'node:events'
import {
  chmod,
  copyFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { type HsmKeyId, SecretBytes } from '@keyhsm/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Hsm } from '../../src/hsm.js'
import type { KeyKind } from '../../src/kinds.js'
import { connectSoftToken } from '../../src/soft-token/connect-soft-token.js'
import { makeToken } from './make-token.js'

const binding = Buffer.from('binding')
const code = (expected: string) => expect.objectContaining({ code: expected })
const idOf = (digit: string) => digit.repeat(32) as HsmKeyId
const specOf = (digit: string, kind: KeyKind = 'ec-p256') => {
  return { id: idOf(digit), label: `key-${digit}`, kind, use: 'wrap' as const }
}

async function connected() {
  const token = await makeToken()
  const hsm = await token.connect()
  onTestFinished(() => hsm.close())
  const keyFile = async (id: HsmKeyId) => {
    const folder = join(token.directory, 'keys', id)
    return join(folder, (await readdir(folder))[0] ?? '')
  }
  const wrapped = async (digit: string) => {
    const { id } = await hsm.createKey(specOf(digit))
    return { id, wrapped: await hsm.wrapKey(id, SecretBytes.random(32), binding) }
  }
  return { ...token, hsm, keyFile, wrapped }
}

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)

describe('files of the token', () => {
  test('belong to their owner only, one a key, without the private key in clear', async () => {
    const { directory, hsm, keyFile } = await connected()
    await hsm.createKey(specOf('a'))
    const file = await keyFile(idOf('a'))
    expect(await readdir(join(directory, 'keys', idOf('a')))).toHaveLength(1)
    expect(await modeOf(directory)).toBe('700')
    expect(await modeOf(join(directory, 'keys'))).toBe('700')
    expect(await modeOf(join(directory, 'token.json'))).toBe('600')
    expect(await modeOf(join(file, '..'))).toBe('700')
    expect(await modeOf(file)).toBe('600')
    const fields = JSON.parse(await readFile(file, 'utf8')) as Record<string, string>
    expect(Object.keys(fields)).toEqual([
      'format',
      'version',
      'id',
      'label',
      'kind',
      'use',
      'publicKey',
      'sealed',
    ])
    // PKCS#8 of a P-256 key begins with these bytes, whatever the key.
    expect(fields.sealed).not.toContain('308187020100301306072a8648ce3d0201')
  })

  test('a crash leaves nothing that the next connection keeps', async () => {
    const { directory, hsm } = await connected()
    await hsm.createKey(specOf('a'))
    const keys = join(directory, 'keys')
    await rename(join(keys, idOf('a')), join(keys, '.gone-0011223344556677'))
    await mkdir(join(keys, '.new-fresh1'))
    const later = () => new Date(Date.now() + 3_600_000)
    const pin = 'pin-of-the-test-token'
    await (await connectSoftToken({ directory, pin })).close()
    expect(await readdir(keys)).toEqual(['.new-fresh1'])
    await (await connectSoftToken({ directory, pin, clock: { now: later } })).close()
    expect(await readdir(keys)).toEqual([])
  })
})

describe('damage', () => {
  test.each<[string, (text: string) => string]>([
    ['the sealed half', (text) => text.replace(/("sealed": "..)./, '$1g')],
    ['one digit of the sealed half', (text) => flipDigit(text, '"sealed": "')],
    ['the public key', (text) => flipDigit(text, '"publicKey": "30')],
    ['the label', (text) => text.replace('key-a', 'key-b')],
    ['the use', (text) => text.replace('"wrap"', '"sign"')],
    ['the kind', (text) => text.replace('ec-p256', 'rsa-2048')],
    ['the version', (text) => text.replace('"version": 1', '"version": 2')],
    ['everything', () => 'not JSON'],
    ['nothing left', () => ''],
  ])('to a key file is noticed: %s', async (_name, change) => {
    const { connect, keyFile, wrapped } = await connected()
    const made = await wrapped('a')
    const file = await keyFile(made.id)
    const text = await readFile(file, 'utf8')
    expect(change(text)).not.toBe(text)
    await writeFile(file, change(text))
    const again = await connect()
    onTestFinished(() => again.close())
    const unwrap = again.unwrapKey(made.id, made.wrapped, binding)
    await expect(unwrap).rejects.toEqual(code('ERR_HSM_REFUSED'))
    await expect(again.listKeys()).rejects.toEqual(code('ERR_HSM_REFUSED'))
  })

  test('a key file under another id, or of another token, is no key', async () => {
    const { connect, directory, hsm, keyFile } = await connected()
    await hsm.createKey(specOf('a'))
    await mkdir(join(directory, 'keys', idOf('b')))
    await copyFile(
      await keyFile(idOf('a')),
      join(directory, 'keys', idOf('b'), '0123456789abcdef.key'),
    )
    await expect(hsm.findKey(idOf('b'))).rejects.toEqual(code('ERR_HSM_REFUSED'))
    const other = await makeToken()
    await rm(join(other.directory, 'keys'), { recursive: true })
    await rename(join(directory, 'keys'), join(other.directory, 'keys'))
    const stranger = await other.connect()
    onTestFinished(() => stranger.close())
    await expect(stranger.findKey(idOf('a'))).rejects.toEqual(code('ERR_HSM_REFUSED'))
    await expect(connect()).rejects.toEqual(code('ERR_SETTINGS'))
  })
})

describe('a token that is not there', () => {
  test('is unavailable, never a missing key', async () => {
    const { directory, hsm, wrapped } = await connected()
    const made = await wrapped('a')
    const aside = `${directory}-aside`
    await rename(directory, aside)
    const unwrap = () => hsm.unwrapKey(made.id, made.wrapped, binding)
    await expect(unwrap()).rejects.toEqual(code('ERR_HSM_UNAVAILABLE'))
    await expect(hsm.destroyKey(made.id)).rejects.toEqual(code('ERR_HSM_UNAVAILABLE'))
    expect(await hsm.probe()).toMatchObject({ state: 'unavailable', keys: undefined })
    // An empty token in its place is another token.
    const { directory: other } = await makeToken()
    await rename(other, directory)
    await expect(unwrap()).rejects.toEqual(code('ERR_HSM_UNAVAILABLE'))
    await expect(hsm.findKey(made.id)).rejects.toEqual(code('ERR_HSM_UNAVAILABLE'))
    await rename(directory, other)
    await rename(aside, directory)
    await expect(unwrap()).resolves.toBeInstanceOf(SecretBytes)
    expect(await hsm.probe()).toMatchObject({ state: 'ready', keys: 1 })
  })

  test('without its keys folder is unavailable', async () => {
    const { directory, hsm } = await connected()
    await rm(join(directory, 'keys'), { recursive: true })
    await expect(hsm.findKey(idOf('a'))).rejects.toEqual(code('ERR_HSM_UNAVAILABLE'))
    await expect(hsm.createKey(specOf('a'))).rejects.toEqual(code('ERR_HSM_UNAVAILABLE'))
  })
})

describe('connecting', () => {
  test('says what the token is, and that it is no HSM', async () => {
    const { hsm, serial } = await connected()
    expect(hsm.profile).toBe('soft-token')
    expect(hsm.description).toBe(`software token "test", serial ${serial}, not an HSM`)
    expect(hsm.capabilities).toMatchObject({ hardware: false, durableKeys: true })
  })

  test('refuses a directory that is missing, holds no token or can be entered by others', async () => {
    const { connect, directory } = await makeToken()
    const missing = connectSoftToken({ directory: `${directory}-none`, pin: 'any-pin' })
    await expect(missing).rejects.toEqual(code('ERR_SETTINGS'))
    await chmod(directory, 0o750)
    await expect(connect()).rejects.toEqual(code('ERR_SETTINGS'))
    await chmod(directory, 0o700)
    await rm(join(directory, 'token.json'))
    await expect(connect()).rejects.toEqual(code('ERR_SETTINGS'))
  })

  test('refuses another label and a damaged header', async () => {
    const { directory } = await makeToken()
    const pin = 'pin-of-the-test-token'
    const other = connectSoftToken({ directory, pin, label: 'other' })
    await expect(other).rejects.toEqual(code('ERR_SETTINGS'))
    await writeFile(join(directory, 'token.json'), '{}')
    await expect(connectSoftToken({ directory, pin })).rejects.toEqual(code('ERR_HSM_REFUSED'))
  })

  test('close waits for what is under way', async () => {
    const { connect } = await makeToken()
    const hsm = await connect()
    const making = hsm.createKey(specOf('a', 'rsa-2048'))
    await hsm.close()
    await expect(making).resolves.toMatchObject({ id: idOf('a') })
    await expect(hsm.findKey(idOf('a'))).rejects.toEqual(code('ERR_HSM_UNAVAILABLE'))
  })
})

describe('several processes', () => {
  test('make, use and destroy keys on one token at once', { timeout: 60_000 }, async () => {
    const { directory, hsm } = await connected()
    const results = await Promise.all([1, 2, 3].map(() => runWorker(directory)))
    expect(results.flatMap((result) => result.faults)).toEqual([])
    // Of the ids that all of them tried to make, each was made by exactly one.
    const won = results.flatMap((result) => result.won)
    expect(won.sort()).toEqual(sharedIds)
    const kept = results.flatMap((result) => result.kept)
    const listed = (await hsm.listKeys()).map((key) => key.id)
    expect([...listed].sort()).toEqual([...kept, ...sharedIds].sort())
    await ensureAllOpen(hsm, kept)
  })
})

const sharedIds = Array.from('0123456789').map((digit) => idOf(digit))

interface WorkerResult {
  readonly won: HsmKeyId[]
  readonly kept: HsmKeyId[]
  readonly faults: string[]
}

/** Runs `token-worker.mjs` as a process of its own on the built package. */
async function runWorker(directory: string): Promise<WorkerResult> {
  const path = new URL('./token-worker.mjs', import.meta.url)
  const worker = fork(path, { stdio: 'inherit', execArgv: [] })
  onTestFinished(() => void worker.kill('SIGKILL'))
  worker.send({ directory, pin: 'pin-of-the-test-token', sharedIds })
  const [result] = (await once(worker, 'message')) as [WorkerResult]
  return result
}

async function ensureAllOpen(hsm: Hsm, ids: readonly HsmKeyId[]): Promise<void> {
  for (const id of ids) {
    const wrapped = await hsm.wrapKey(id, SecretBytes.random(32), binding)
    await hsm.unwrapKey(id, wrapped, binding)
  }
}

/** Changes the fifth hex digit after `start`. */
function flipDigit(text: string, start: string): string {
  const at = text.indexOf(start) + start.length + 4
  return text.slice(0, at) + (text[at] === '0' ? '1' : '0') + text.slice(at + 1)
}
