import { execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { appendFile, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { noRetry, Transport, TrusteeClient } from '@keyhsm/client'
import { parseFingerprint } from '@keyhsm/core'
import { followSuccessions, statusRoute } from '@keyhsm/protocol'
import {
  certificateFingerprint,
  encryptPrivateKey,
  layDownPair,
  makeAuthority,
  makeSelfSigned,
} from '@keyhsm/service'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  forgetAuthority,
  readAuthorities,
  renewAuthority,
} from '../../src/certificates/authorities.js'
import {
  finishRoll,
  missingNames,
  renewServerPair,
  replaceServerPair,
  type RollOptions,
} from '../../src/certificates/roll-server.js'
import { readSuccessions } from '../../src/certificates/successions.js'
import type { Paths } from '../../src/paths.js'
import { readLiveState } from '../../src/service/live-state.js'
import { readSettings } from '../../src/settings.js'
import {
  addTestOrganisation,
  connectClient,
  enrolTestClient,
  makeHome,
  type RunningServer,
  startTestServer,
} from '../support/running-server.js'

const dayMs = 86_400_000

async function optionsIn(paths: Paths, more: Partial<RollOptions> = {}): Promise<RollOptions> {
  const settings = await readSettings(paths)
  return { paths, settings, now: new Date(), withSuccession: true, ...more }
}

async function inUse(paths: Paths): Promise<X509Certificate> {
  return (await readLiveState(paths, new Date())).certificate
}

/** From the certificate that was in use before to the one in use now? */
async function leads(paths: Paths, from: X509Certificate): Promise<boolean> {
  const known = followSuccessions([from], await readSuccessions(paths))
  const now = await inUse(paths)
  return known.some(({ raw }) => raw.equals(now.raw))
}

/** A client that follows successions, as commands and the SDK do; `pins` are what it keeps. */
function followingClient(
  at: Pick<RunningServer, 'url' | 'serverCertificate'>,
  pair: { readonly certificate: string; readonly key: string },
  pins: string[],
): TrusteeClient {
  const transport = new Transport({
    url: at.url,
    tls: { ca: [at.serverCertificate], cert: pair.certificate, key: pair.key },
    follower: { remember: (found) => Promise.resolve(void pins.push(...found)) },
  })
  const client = new TrusteeClient(transport, noRetry)
  onTestFinished(() => client.close().catch(() => undefined))
  return client
}

async function enrolled() {
  const at = await startTestServer({ settings: ['keytrustee.sealing=pass-through'] })
  const { auth } = await addTestOrganisation(at)
  return { at, auth, ...(await enrolTestClient(at, { organisation: 'PROD', auth })) }
}

describe('the server’s certificate', () => {
  test('is renewed again and again under load without a failed request; whoever was away follows', async () => {
    const { at, pair } = await enrolled()
    const first = await inUse(at.paths)
    const rolling = new AbortController()
    const results: string[] = []
    const load = Array.from({ length: 3 }, async () => {
      while (!rolling.signal.aborted) {
        // A client of its own each time: a new connection, pinned to what was in use at the beginning.
        const client = followingClient(at, pair, [])
        results.push(await client.self().then(({ clientName }) => clientName, String))
        await client.close()
      }
    })
    for (let round = 0; round < 4; round += 1) {
      await renewServerPair(await optionsIn(at.paths))
      await at.server.reload()
      await new Promise((resolve) => setTimeout(resolve, 60))
    }
    rolling.abort()
    await Promise.all(load)
    expect(results.length).toBeGreaterThan(8)
    expect([...new Set(results)]).toEqual(['client-1'])
    expect((await inUse(at.paths)).raw.equals(first.raw)).toBe(false)
    const pins: string[] = []
    await followingClient(at, pair, pins).self()
    const serverCertificate = pins.at(-1) ?? ''
    // What it kept is enough for a client that follows nothing; the first pin is not.
    expect((await connectClient({ ...at, serverCertificate }, pair).self()).clientName).toBe(
      'client-1',
    )
    await expect(connectClient(at, pair).self()).rejects.toMatchObject({
      code: 'ERR_NOT_AUTHENTICATED',
    })
    const { certificates, serverFingerprint } = await at.admin(statusRoute)
    expect(certificates.map(({ role }) => role)).toEqual([
      'server',
      'client-authority',
      'shown-to-key-hsm',
    ])
    expect(certificates[0]?.fingerprint).toBe(serverFingerprint)
    expect(certificates[0]?.names).toEqual(expect.arrayContaining(['localhost', '127.0.0.1']))
  })

  test('without succession, or by another server, nobody is led to the new one', async () => {
    const { at, pair } = await enrolled()
    await renewServerPair(await optionsIn(at.paths, { withSuccession: false }))
    await at.server.reload()
    const pins: string[] = []
    await expect(followingClient(at, pair, pins).self()).rejects.toMatchObject({
      code: 'ERR_NOT_AUTHENTICATED',
    })
    const other = await startTestServer()
    await expect(
      followingClient({ ...other, serverCertificate: at.serverCertificate }, pair, pins).self(),
    ).rejects.toMatchObject({ code: 'ERR_NOT_AUTHENTICATED' })
    expect(pins).toEqual([])
  })

  test('is replaced by one of an authority; a pair that cannot serve changes nothing', async () => {
    const paths = await makeHome()
    const names = { commonName: 'kts', subjectAltNames: ['kts.example'], days: 5 }
    const given = await makeSelfSigned({ ...names, usage: 'server' })
    const other = await makeSelfSigned({ ...names, usage: 'server' })
    const authority = await makeAuthority({ commonName: 'ca', days: 5 })
    const o = await optionsIn(paths)
    const replace = (certificate: string, key: string, more: Partial<RollOptions> = {}) =>
      replaceServerPair({ ...o, ...more }, { certificate, key })
    const before = await inUse(paths)
    await expect(replace(given.certificate, other.privateKey)).rejects.toThrow(
      /--key does not belong/,
    )
    await expect(replace(given.certificate, 'x')).rejects.toThrow(/--key must be a private key/)
    await expect(replace(authority.certificate, authority.privateKey)).rejects.toThrow(/no CA’s/)
    await expect(
      replace(given.certificate, given.privateKey, { now: new Date(Date.now() + 9 * dayMs) }),
    ).rejects.toThrow(/valid now/)
    expect((await inUse(paths)).raw.equals(before.raw)).toBe(true)
    expect(await readSuccessions(paths)).toEqual([])
    const locked = encryptPrivateKey(given.privateKey, 'words')
    await replaceServerPair(o, {
      certificate: `${given.certificate}${authority.certificate}`,
      key: locked,
      passphrase: 'words',
    })
    const now = await inUse(paths)
    expect(certificateFingerprint(now)).toBe(
      certificateFingerprint(new X509Certificate(given.certificate)),
    )
    expect(await leads(paths, before)).toBe(true)
    expect(missingNames(now, o.settings)).toContain(hostname())
    expect(await readFile(paths.serverCertificate, 'utf8')).toContain(
      new X509Certificate(authority.certificate).toString().trim(),
    )
  })

  test('keeps the passphrase of its key, and holds every name of the settings', async () => {
    const paths = await makeHome([
      'keytrustee.tls.key-passphrase-file=key.words',
      'keytrustee.server.external-address=kts.example,192.0.2.7',
    ])
    await writeFile(join(paths.root, 'key.words'), 'geheim\n', { mode: 0o600 })
    const o = await optionsIn(paths)
    await renewServerPair(o)
    const key = await readFile(paths.serverKey, 'utf8')
    expect(() => createPrivateKey(key)).toThrow()
    expect(createPrivateKey({ key, passphrase: 'geheim' }).asymmetricKeyType).toBe('ec')
    const certificate = await inUse(paths)
    expect(missingNames(certificate, o.settings)).toEqual([])
    for (const name of ['kts.example', hostname(), 'localhost'])
      expect(certificate.checkHost(name)).toBe(name)
    for (const address of ['192.0.2.7', '127.0.0.1', '::1'])
      expect(certificate.checkIP(address)).toBeDefined()
  })

  test('takes the passphrase of its key from systemd rather than from a file', async () => {
    const paths = await makeHome()
    await writeFile(join(paths.root, 'keytrustee-tls-passphrase'), 'from systemd\n')
    vi.stubEnv('CREDENTIALS_DIRECTORY', paths.root)
    onTestFinished(() => void vi.unstubAllEnvs())
    await renewServerPair(await optionsIn(paths))
    const key = await readFile(paths.serverKey, 'utf8')
    expect(createPrivateKey({ key, passphrase: 'from systemd' }).asymmetricKeyType).toBe('ec')
  })

  test('cut off in the middle, the change is completed by the next run, and by a start', async () => {
    const paths = await makeHome()
    const settings = await readSettings(paths)
    const pair = await makeSelfSigned({
      commonName: 'next',
      subjectAltNames: [],
      days: 5,
      usage: 'server',
    })
    const places = {
      next: paths.serverNext,
      certificate: paths.serverCertificate,
      key: paths.serverKey,
    }
    await layDownPair(places, pair)
    // As after a crash between the two files.
    await rename(join(paths.serverNext, 'key.pem'), paths.serverKey)
    await expect(readLiveState(paths, new Date())).rejects.toThrow(/does not belong/)
    await finishRoll(paths, settings)
    expect((await inUse(paths)).subject).toBe('CN=next')
    await expect(stat(paths.serverNext)).rejects.toMatchObject({ code: 'ENOENT' })
    // As after a crash before the folder was complete.
    await mkdir(`${paths.serverNext}.draft`)
    await renewServerPair(await optionsIn(paths))
    expect((await inUse(paths)).subject).toBe(`CN=${hostname()}`)
  })

  test('that has ended vouches for none; files kept elsewhere are not ours to change', async () => {
    const paths = await makeHome()
    const late = await optionsIn(paths, { now: new Date(Date.now() + 900 * dayMs) })
    await expect(renewServerPair(late)).rejects.toMatchObject({ code: 'ERR_NOT_ALLOWED' })
    const elsewhere = `${paths.root}-elsewhere.pem`
    await appendFile(paths.settings, `keytrustee.tls.certificate=${elsewhere}\n`)
    await expect(renewServerPair(await optionsIn(paths))).rejects.toThrow(/outside its own folder/)
  })
})

describe('the authority of clients', () => {
  test('is renewed with an overlap: old and new certificates are admitted, until the old one is forgotten', async () => {
    const { at, pair, auth } = await enrolled()
    const before = new X509Certificate((await readAuthorities(at.paths)).certificate)
    const old = connectClient(at, pair)
    await old.self()
    await renewAuthority(at.paths, new Date())
    await at.server.reload()
    const fresh = await enrolTestClient(at, { organisation: 'PROD', auth, clientName: 'client-2' })
    expect(new X509Certificate(fresh.pair.certificate).verify(before.publicKey)).toBe(false)
    expect((await fresh.client.self()).clientName).toBe('client-2')
    // The connection that was open, and a new one.
    expect((await old.self()).clientName).toBe('client-1')
    expect((await connectClient(at, pair).self()).clientName).toBe('client-1')
    expect((await at.admin(statusRoute)).certificates.map(({ role }) => role)).toContain(
      'previous-client-authority',
    )
    await forgetAuthority(at.paths, certificateFingerprint(before))
    await at.server.reload()
    await expect(old.self()).rejects.toMatchObject({ code: 'ERR_NOT_AUTHENTICATED' })
    expect((await fresh.client.self()).clientName).toBe('client-2')
    await expect(forgetAuthority(at.paths, parseFingerprint('0'.repeat(64)))).rejects.toMatchObject(
      { code: 'ERR_NOT_FOUND' },
    )
  })

  test('signs what openssl accepts', async () => {
    const { at, pair } = await enrolled()
    const file = join(at.paths.root, 'leaf.pem')
    await writeFile(file, pair.certificate)
    const told = execFileSync('openssl', ['verify', '-CAfile', at.paths.authorityCertificate, file])
    expect(told.toString()).toContain(': OK')
  })
})
