import { readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeSelfSigned } from '@keyhsm/service'
import { expect, test } from 'vitest'
import {
  findWaitingCertificate,
  finishKeyHsmPair,
  prepareGivenPair,
  prepareKeyHsmPair,
} from '../../src/certificates/key-hsm-pair.js'
import { makeHome } from '../support/running-server.js'

const now = new Date()
const inElevenYears = new Date(now.getTime() + 11 * 365 * 86_400_000)

test('one pair waits: the same again, until it has ended or another is given', async () => {
  const paths = await makeHome()
  const first = await prepareKeyHsmPair(paths, now)
  expect(await prepareKeyHsmPair(paths, now)).toEqual(first)
  expect((await stat(join(paths.keyHsmClientNext, 'key.pem'))).mode & 0o777).toBe(0o600)
  const later = await prepareKeyHsmPair(paths, inElevenYears)
  expect(later).not.toEqual(first)
  const names = { commonName: 'given', subjectAltNames: [], days: 5, usage: 'client' } as const
  const { certificate, privateKey: key } = await makeSelfSigned(names)
  await expect(
    prepareGivenPair(paths, { certificate, key: first.privateKey }, now),
  ).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' })
  expect(await findWaitingCertificate(paths)).toBe(later.certificate)
  await prepareGivenPair(paths, { certificate, key }, now)
  expect(await findWaitingCertificate(paths)).toBe(certificate)
})

test('takes its place when it is shown, also after a crash between the two files, and not before', async () => {
  const paths = await makeHome()
  const before = await readFile(paths.keyHsmClientCertificate, 'utf8')
  const { certificate } = await prepareKeyHsmPair(paths, now)
  await finishKeyHsmPair(paths, { clientCertificate: before })
  expect(await readFile(paths.keyHsmClientCertificate, 'utf8')).toBe(before)
  await rename(join(paths.keyHsmClientNext, 'key.pem'), paths.keyHsmClientKey)
  await finishKeyHsmPair(paths, { clientCertificate: certificate })
  expect(await readFile(paths.keyHsmClientCertificate, 'utf8')).toBe(certificate)
  expect(await findWaitingCertificate(paths)).toBeUndefined()
})
