import { chmod, copyFile, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { DomainError, newUuid } from '@keyhsm/core'
import { statusRoute } from '@keyhsm/protocol'
import { encryptPrivateKey, openLog } from '@keyhsm/service'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Paths } from '../../src/paths.js'
import { startServer } from '../../src/service/start-server.js'
import { openMemoryStore } from '../../src/store/memory-store.js'
import { makeHome, startIn, startTestServer } from '../support/running-server.js'

async function failure(promise: Promise<unknown>): Promise<DomainError> {
  return promise.then(
    () => expect.fail('should not have started'),
    (error: unknown) => error as DomainError,
  )
}

async function takenPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())))
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

describe('startServer', () => {
  test('port taken: says which, and leaves nothing half-started', async () => {
    const port = await takenPort()
    const paths = await makeHome()
    const settings = await readFile(paths.settings, 'utf8')
    await writeFile(paths.settings, settings.replace('server.port=0', `server.port=${port}`))
    const error = await failure(startIn(paths))
    expect([error.code, error.message]).toEqual([
      'ERR_UNAVAILABLE',
      expect.stringContaining(`127.0.0.1:${port}`),
    ])
    await expect(stat(paths.controlSocket)).rejects.toMatchObject({ code: 'ENOENT' })
    // The audit's lock is free again, and so is everything else.
    await writeFile(paths.settings, settings)
    const at = await startIn(paths)
    expect((await at.admin(statusRoute)).sealing).toBe('none')
  })

  test('no database: says so, and the audit is closed again', async () => {
    const paths = await makeHome()
    const log = openLog({ name: 'test', file: paths.logFile })
    const openDatabase = () =>
      Promise.reject(new DomainError('ERR_STORE_UNAVAILABLE', 'no database'))
    expect(
      (
        await failure(
          startServer({
            paths,
            log,
            openDatabase,
            requestReload: () => Promise.reject(new Error('never comes here')),
          }),
        )
      ).code,
    ).toBe('ERR_STORE_UNAVAILABLE')
    expect((await startIn(paths)).server.address.port).toBeGreaterThan(0)
  })

  test.each<[string, (paths: Paths) => Promise<void>]>([
    ['grant.key', (paths) => chmod(paths.grantKey, 0o640)],
    ['grant.key', (paths) => writeFile(paths.grantKey, 'abcd')],
    ['grant.key', (paths) => rm(paths.grantKey)],
    ['audit.key', (paths) => copyFile(paths.authorityKey, paths.auditKey)],
    ['audit.key', (paths) => rm(paths.auditKey)],
    ['ssl-cert-keytrustee-pk.pem', (paths) => chmod(paths.serverKey, 0o644)],
    ['private key does not belong', (paths) => rename(paths.keyHsmClientKey, paths.serverKey)],
    ['cannot be read', (paths) => writeFile(paths.serverCertificate, 'x')],
    ['client-ca-pk.pem', (paths) => rm(paths.authorityKey)],
    ['keytrustee.properties', (paths) => rm(paths.settings)],
  ])('a missing, open or damaged file is named: %s', async (words, damage) => {
    const error = await failure(startTestServer({ prepare: damage }))
    expect(error.code).toBe('ERR_SETTINGS')
    expect(error.message).toContain(words)
  })

  test('a password-protected private key with its passphrase file; not without', async () => {
    const protect = async (paths: Paths) => {
      const plain = await readFile(paths.serverKey, 'utf8')
      await writeFile(paths.serverKey, encryptPrivateKey(plain, 'a passphrase'))
      await writeFile(`${paths.root}/passphrase`, 'a passphrase\n', { mode: 0o600 })
    }
    const error = await failure(startTestServer({ prepare: protect }))
    expect(error.hints).toEqual([expect.stringContaining('key-passphrase-file')])
    const settings = ['keytrustee.tls.key-passphrase-file=passphrase']
    const at = await startTestServer({ prepare: protect, settings })
    expect((await at.admin(statusRoute)).healthy).toBe(false)
  })

  test('reservations that a crash left behind are removed, so that their keys can be found', async () => {
    const store = openMemoryStore()
    const [client, organisation] = [newUuid(), newUuid()]
    const now = new Date()
    await store.withTransaction(async (transaction) => {
      const row = {
        uuid: organisation,
        name: 'PROD',
        state: 'active',
        authHash: undefined,
        contacts: [],
        createdAt: now,
        grant: '',
      } as const
      await transaction.insertOrganisation(row)
      await transaction.insertClient({
        uuid: client,
        organisation,
        name: 'c',
        state: 'active',
        keyFingerprint: 'f'.repeat(64) as never,
        identityKey: 'x',
        recipient: 'x',
        createdAt: now,
        grant: '',
      })
      await transaction.insertPendingPut({
        requestId: newUuid(),
        client,
        organisation,
        deposit: newUuid(),
        handle: 'h' as never,
        revision: 1,
        contentBytes: 1,
        startedAt: now,
      })
    })
    const at = await startTestServer({ store })
    expect((await at.admin(statusRoute)).pendingPuts).toBe(0)
  })
})
