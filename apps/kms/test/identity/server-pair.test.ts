/** The certificate for Hadoop is exchanged in two steps, and never left by half. */
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { issueClientCertificate, makeAuthority, makeSelfSigned } from '@keyhsm/service'
import { createPublicKey } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { initialiseFiles } from '../../src/identity/initialise-files.js'
import {
  findNextPair,
  prepareNextPair,
  type RenewOrder,
  useNextPair,
} from '../../src/identity/server-pair.js'
import { pathsIn } from '../../src/paths.js'
import { readLiveSettings } from '../../src/service/live-settings.js'
import { readSettings } from '../../src/settings.js'

let home: string
let order: RenewOrder
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'kms-pair-'))
  const paths = pathsIn(home)
  await initialiseFiles(paths, { names: ['kms1.example.com'], port: '0' })
  order = { paths, settings: await readSettings(paths), names: [], now: new Date() }
})
afterEach(() => rmSync(home, { recursive: true }))

const shown = async () => String((await readLiveSettings(pathsIn(home))).tls?.cert)
const tls = () => readdirSync(join(home, 'tls')).sort()

it('lays the next one down, with the names of the one in use, and puts it in use when told to', async () => {
  const before = await shown()
  const next = await prepareNextPair({ ...order, names: ['kms.example.com'] })
  expect(next.certificate.checkHost('kms1.example.com')).toBeDefined()
  expect(next.certificate.checkHost('kms.example.com')).toBeDefined()
  expect(next.certificate.checkIP('127.0.0.1')).toBeDefined()
  expect(await shown()).toBe(before)
  const again = await prepareNextPair(order)
  expect(again.certificate.fingerprint256).toBe(next.certificate.fingerprint256)
  await useNextPair(order)
  expect(await shown()).toBe(next.certificate.toString())
  expect(await findNextPair(order.paths)).toBeUndefined()
  expect(tls()).toEqual(['kms.key', 'kms.pem'])
})

it('makes another where the one that waits lacks a name or has ended', async () => {
  const first = await prepareNextPair(order)
  const named = await prepareNextPair({ ...order, names: ['other'] })
  expect(named.certificate.fingerprint256).not.toBe(first.certificate.fingerprint256)
  const later = new Date(Date.now() + 900 * 86_400_000)
  const fresh = await prepareNextPair({ ...order, now: later })
  expect(Date.parse(fresh.certificate.validTo)).toBeGreaterThan(later.getTime())
})

it('cut off between its two files, the change is completed by whoever reads the settings next', async () => {
  const { certificate } = await prepareNextPair(order)
  renameSync(join(home, 'tls/next'), join(home, 'tls/changing'))
  renameSync(join(home, 'tls/changing/key.pem'), join(home, 'tls/kms.key'))
  expect(await shown()).toBe(certificate.toString())
  expect(tls()).toEqual(['kms.key', 'kms.pem'])
})

it.each([
  [
    'from an authority',
    async () => {
      const authority = await makeAuthority({ commonName: 'ca', days: 1 })
      const publicKey = createPublicKey(readFileSync(join(home, 'tls/kms.key')))
      const publicKeyDer = publicKey.export({ type: 'spki', format: 'der' })
      const issued = { authority, publicKeyDer, commonName: 'kms', days: 1 }
      writeFileSync(join(home, 'tls/kms.pem'), await issueClientCertificate(issued))
      return order
    },
  ],
  [
    'that lies elsewhere',
    async () => {
      const pair = await makeSelfSigned({
        commonName: 'k',
        subjectAltNames: [],
        days: 1,
        usage: 'server',
      })
      const certificate = join(home, '../', `${home.split('/').at(-1)}.pem`)
      writeFileSync(certificate, pair.certificate)
      return { ...order, settings: { ...order.settings, certificate } }
    },
  ],
] as const)('leaves a certificate %s as it is', async (_, make) => {
  const foreign = await make()
  await expect(prepareNextPair(foreign)).rejects.toMatchObject({
    code: 'ERR_SETTINGS',
    hints: expect.arrayContaining([expect.stringContaining('keytrustee-kms reload')]),
  })
  expect(tls()).toEqual(['kms.key', 'kms.pem'])
  if (foreign.settings.certificate.startsWith('/')) rmSync(foreign.settings.certificate)
})
