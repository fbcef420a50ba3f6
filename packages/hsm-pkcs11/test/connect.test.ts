/** Connecting: what is refused with which words, and what the host process gets to see. */
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DomainError, type HsmKeyId, SecretBytes } from '@keyhsm/core'
import { connectPkcs11, type Pkcs11Options } from '@keyhsm/hsm-pkcs11'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FaultyModule } from './support/faulty-module.js'
import { alive, hostOf } from './support/hurt-host.js'
import { NssDatabase } from './support/nss-database.js'
import { SofthsmToken, softhsmLibrary, softhsmPin } from './support/softhsm-token.js'

let token: SofthsmToken
let faulty: FaultyModule

beforeAll(async () => {
  token = await SofthsmToken.make('first')
  await token.addToken('twin')
  await token.addToken('twin')
  faulty = await FaultyModule.build(token.directory, softhsmLibrary ?? '')
})

afterAll(() => token.dispose())

async function refusal(options: Pkcs11Options): Promise<DomainError> {
  const error: unknown = await connectPkcs11(options).catch((reason: unknown) => reason)
  if (!(error instanceof DomainError)) throw new Error('it connected')
  return error
}

function text(error: DomainError): string {
  return [error.message, ...error.hints].join('\n')
}

describe('refused with a clear word', () => {
  test('a library that is not there: its path', async () => {
    const error = await refusal(token.options({ library: '/nowhere/libcknfast.so' }))
    expect(error.code).toBe('ERR_SETTINGS')
    expect(text(error)).toContain('/nowhere/libcknfast.so')
    expect(error.faults).toEqual([expect.objectContaining({ field: 'library' })])
  })

  test('a file that is no library: its path', async () => {
    const library = join(token.directory, 'softhsm2.conf')
    const error = await refusal(token.options({ library }))
    expect(error.code).toBe('ERR_SETTINGS')
    expect(text(error)).toContain(library)
  })

  test('a profile whose library is nowhere: every path that was tried', async () => {
    const error = await refusal(token.options({ profile: 'luna' }))
    expect(error.code).toBe('ERR_SETTINGS')
    expect(text(error)).toContain('/usr/safenet/lunaclient/lib/libCryptoki2_64.so')
  })

  test('a token that is not there: the one asked for and those that are', async () => {
    const error = await refusal(token.options({ token: { label: 'elsewhere' } }))
    expect(error.code).toBe('ERR_HSM_UNAVAILABLE')
    expect(text(error)).toContain('"elsewhere"')
    expect(text(error)).toContain('"first"')
  })

  test('a label with another token behind the serial number', async () => {
    const error = await refusal(token.options({ token: { label: 'first', serial: '0123' } }))
    expect(error.code).toBe('ERR_HSM_UNAVAILABLE')
    expect(text(error)).toContain('serial number 0123')
  })

  test('two tokens with one label', async () => {
    const error = await refusal(token.options({ token: { label: 'twin' } }))
    expect(error.code).toBe('ERR_SETTINGS')
    expect(text(error)).toContain('several tokens have label "twin"')
    expect(text(error)).toContain('serial number')
  })

  test('no token at all', async () => {
    expect((await refusal(token.options({ token: {} }))).code).toBe('ERR_SETTINGS')
  })

  test('a PIN of the wrong form is not sent', async () => {
    const { softhsm } = (await import('@keyhsm/hsm-pkcs11')).pkcs11Profiles
    const profile = { ...softhsm, login: { ...softhsm.login, form: 'user:password' as const } }
    const env = { ...token.env, ...faulty.env }
    await faulty.forgetCalls()
    const pin = SecretBytes.own(Buffer.from('marked-without-colon'))
    const error = await refusal(token.options({ profile, library: faulty.library, env, pin }))
    expect(error.code).toBe('ERR_SETTINGS')
    expect(await faulty.countOf('C_Login')).toBe(0)
  })

  test('a library that crashes at the login is not logged in to again', async () => {
    const env = { ...token.env, ...faulty.env }
    await faulty.forgetCalls()
    await faulty.fail('C_Login', 'crash')
    const error = await refusal(token.options({ library: faulty.library, env }))
    await faulty.heal()
    expect(error.code).toBe('ERR_HSM_UNAVAILABLE')
    expect(await faulty.countOf('C_Login')).toBe(1)
  })

  test('a collision before the login is tried again', async () => {
    const env = { ...token.env, ...faulty.env }
    await faulty.forgetCalls()
    await faulty.fail('C_OpenSession', 'once-return 225')
    const hsm = await connectPkcs11(token.options({ library: faulty.library, env }))
    await hsm.close()
    expect(await faulty.countOf('C_Login')).toBe(1)
  })

  test('a wrong PIN, and its text nowhere', async () => {
    const pin = SecretBytes.own(Buffer.from('marked-wrong-pin'))
    const error = await refusal(token.options({ pin }))
    expect(error.code).toBe('ERR_HSM_LOGIN')
    expect(`${text(error)} ${String(error.cause)}`).not.toContain('marked')
  })
})

describe('connected', () => {
  test('by serial number and by slot', async () => {
    const byLabel = await connectPkcs11(token.options())
    const serial = /serial number (\w+)/.exec(byLabel.description)?.[1] ?? ''
    await byLabel.close()
    const bySerial = await connectPkcs11(token.options({ token: { serial } }))
    expect(bySerial.description).toBe(byLabel.description)
    await bySerial.close()
    const slot = Number.parseInt(serial.slice(-8), 16) & 0x7fffffff
    const bySlot = await connectPkcs11(token.options({ token: { slot } }))
    expect(bySlot.description).toBe(byLabel.description)
    await bySlot.close()
  })

  test('the PIN is in neither arguments nor environment of the host, and cores are off', async () => {
    const env = { ...token.env, KEYHSM_TEST: 'given' }
    process.env.KEYHSM_PIN = softhsmPin
    const hsm = await connectPkcs11(token.options({ env }))
    delete process.env.KEYHSM_PIN
    const files = ['cmdline', 'environ', 'limits'].map((name) =>
      readFile(`/proc/${hostOf(hsm)}/${name}`, 'utf8'),
    )
    const [commandLine = '', environment = '', limits = ''] = await Promise.all(files)
    await hsm.close()
    expect(environment).toContain('KEYHSM_TEST=given')
    expect(environment).not.toContain('NODE_OPTIONS')
    expect(`${commandLine}${environment}`).not.toContain(softhsmPin)
    expect(limits).toMatch(/Max core file size +0 +0/)
  })

  test('closing ends the host and may be repeated', async () => {
    const hsm = await connectPkcs11(token.options())
    const host = hostOf(hsm)
    await Promise.all([hsm.close(), hsm.close()])
    await hsm.close()
    await expect.poll(() => alive(host)).toBe(false)
    expect((await hsm.probe()).state).toBe('unavailable')
  })

  test('the host ends when its service is killed', async () => {
    const script = fileURLToPath(new URL('./support/connect-and-wait.mjs', import.meta.url))
    const env = { ...process.env, ...token.env, PIN_FOR_TEST: softhsmPin }
    const service = fork(script, [token.label], { env, stdio: 'inherit' })
    const [host] = (await once(service, 'message')) as [number]
    expect(alive(host)).toBe(true)
    service.kill('SIGKILL')
    await expect.poll(() => alive(host), { timeout: 5000 }).toBe(false)
  })

  test('health names library and token, and is down with a reason after the library went', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'keyhsm-gone-'))
    const library = join(directory, 'copy.so')
    await writeFile(library, await readFile(softhsmLibrary ?? ''), { mode: 0o755 })
    const hsm = await connectPkcs11(token.options({ library }))
    expect((await hsm.probe()).detail).toContain(library)
    await rm(library)
    process.kill(hostOf(hsm), 'SIGKILL')
    await expect
      .poll(async () => (await hsm.probe()).detail, { timeout: 5000 })
      .toContain('cannot be loaded')
    const id = randomBytes(16).toString('hex') as HsmKeyId
    const error: unknown = await hsm.findKey(id).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'ERR_HSM_UNAVAILABLE' })
    // What callers see names no path of the server.
    expect(String(error)).not.toContain(library)
    await hsm.close()
    await rm(directory, { recursive: true })
  })
})

describe('another way of wrapping than the first', () => {
  const both = async (options: Pkcs11Options, kwp: number) => {
    const hsm = await connectPkcs11(options)
    const id = randomBytes(16).toString('hex') as HsmKeyId
    await hsm.createKey({ id, label: 'kwp', kind: 'aes-256', use: 'wrap' })
    const contentKey = SecretBytes.random(32)
    const wrapped = await hsm.wrapKey(id, contentKey, Buffer.from('b'))
    const opened = await hsm.unwrapKey(id, wrapped, Buffer.from('b'))
    const same = opened.expose((a) => contentKey.expose((b) => a.equals(b)))
    await hsm.close()
    expect([wrapped.algorithm, wrapped.bytes.length, same]).toEqual(['aes-256-kwp', kwp, true])
  }

  test('RFC 5649 through C_WrapKey on SoftHSM', async () => {
    const { softhsm } = (await import('@keyhsm/hsm-pkcs11')).pkcs11Profiles
    const profile = { ...softhsm, aes: softhsm.aes.slice(1) }
    await both(token.options({ profile }), 40)
  })

  test('RFC 5649 through C_Encrypt on NSS', async () => {
    const database = await NssDatabase.make()
    const { nss } = (await import('@keyhsm/hsm-pkcs11')).pkcs11Profiles
    await both(database.options({ profile: { ...nss, aes: nss.aes.slice(1) } }), 40)
    await database.dispose()
  })

  test('what the library refuses at its start is named, before any login', async () => {
    const libraryParameters = `configdir='sql:/nowhere' certPrefix='' keyPrefix='' secmod='secmod.db' flags=`
    const pin = SecretBytes.own(Buffer.from('marked-nss-password'))
    const options = { profile: 'nss', token: { label: 'x' }, libraryParameters, pin } as const
    await expect(connectPkcs11(options)).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      message: expect.stringMatching(/^the PKCS#11 library refused its parameters \(.+\)$/),
      faults: [{ field: 'library.parameters' }],
      hints: [expect.stringContaining('library-parameters')],
    })
  })

  test('RSA in software with the public key read from the device', async () => {
    const hsm = await connectPkcs11(token.options({ wrap: 'software' }))
    const id = randomBytes(16).toString('hex') as HsmKeyId
    await hsm.createKey({ id, label: 'software', kind: 'rsa-2048', use: 'wrap' })
    const contentKey = SecretBytes.random(32)
    const wrapped = await hsm.wrapKey(id, contentKey, Buffer.from('b'))
    const opened = await hsm.unwrapKey(id, wrapped, Buffer.from('b'))
    expect(opened.expose((a) => contentKey.expose((b) => a.equals(b)))).toBe(true)
    await hsm.close()
  })
})

test('an HSM without raw ECDH makes EC keys that sign and none that wrap', async () => {
  const { softhsm } = (await import('@keyhsm/hsm-pkcs11')).pkcs11Profiles
  const hsm = await connectPkcs11(token.options({ profile: { ...softhsm, rawEcdh: false } }))
  const spec = {
    id: randomBytes(16).toString('hex') as HsmKeyId,
    label: 'x',
    kind: 'ec-p256',
  } as const
  const wrap = hsm.createKey({ ...spec, use: 'wrap' })
  await expect(wrap).rejects.toMatchObject({ code: 'ERR_HSM_NOT_SUPPORTED' })
  await hsm.createKey({ ...spec, use: 'sign' })
  expect(await hsm.sign(spec.id, Buffer.from('checkpoint'))).toHaveLength(64)
  await hsm.close()
})
