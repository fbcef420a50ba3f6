/** Authorities of clients that pass from server to server: what is lost, late, forged or put back on the way. */
import { X509Certificate } from 'node:crypto'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { SecretBytes, type Uuid } from '@keyhsm/core'
import { certificateFingerprint } from '@keyhsm/service'
import { expect, test } from 'vitest'
import { readAuthorities } from '../../src/certificates/authorities.js'
import { readSequence, writeAuthorities } from '../../src/certificates/authority-files.js'
import {
  type AuthorityDesk,
  followAuthorities,
  forgetSharedAuthority,
  renewSharedAuthority,
} from '../../src/certificates/share-authorities.js'
import { openGrants } from '../../src/grants.js'
import type { PublishedAuthorities, SharedAuthorities } from '../../src/store/store.js'
import { makeHome } from '../support/running-server.js'

/** One row, as the database keeps it. */
class Row implements SharedAuthorities {
  row: PublishedAuthorities | undefined
  readonly #taken = new Map<Uuid, number>()

  find() {
    return Promise.resolve(this.row)
  }

  publish(next: PublishedAuthorities, before: number) {
    if (this.row && this.row.sequence !== before) return Promise.resolve(false)
    this.row = next
    return Promise.resolve(true)
  }

  take(node: Uuid, sequence: number) {
    this.#taken.set(node, sequence)
    return Promise.resolve()
  }

  taken() {
    return Promise.resolve(this.#taken)
  }
}

const names = ['one', 'two'] as const

/** Servers with a home each, on one row; `first` shares its authority with `second`, as joining does. */
async function servers() {
  const shared = new Row()
  const grants = openGrants(SecretBytes.own(Buffer.alloc(32, 1)))
  const nodes = names.map((name) => ({ node: name as unknown as Uuid, name, url: name, ageMs: 10 }))
  const desk = async (own: string) => {
    const paths = await makeHome()
    const uses: string[] = []
    const installation = { mode: 'writer', own, nodes } as unknown as ReturnType<
      AuthorityDesk['installation']
    >
    const use = async () => void uses.push((await readAuthorities(paths)).certificate)
    return {
      paths,
      grants,
      shared,
      uses,
      now: () => new Date(),
      installation: () => installation,
      use,
    }
  }
  const [first, second] = [await desk('one'), await desk('two')]
  await writeAuthorities(second.paths, {
    sequence: 0,
    authorities: await readAuthorities(first.paths),
  })
  await rm(second.paths.authoritySequence)
  return { shared, first, second }
}

const soon = () => performance.now() + 5_000
const present = async ({ paths }: AuthorityDesk) => (await readAuthorities(paths)).certificate

test('is admitted everywhere before it signs anywhere; a server that is late is named, and the same one goes on', async () => {
  const { first, second } = await servers()
  const before = await present(first)
  await expect(renewSharedAuthority(first, performance.now())).rejects.toMatchObject({
    code: 'ERR_BUSY',
    message: expect.stringContaining('two (two)') as string,
  })
  expect(await present(first)).toBe(before)
  const waiting = await readFile(`${first.paths.authorityWaiting}/certificate.pem`, 'utf8')
  await followAuthorities(second)
  const admitted = await readAuthorities(second.paths)
  expect([admitted.certificate, admitted.previous]).toEqual([before, [waiting]])
  await renewSharedAuthority(first, soon())
  expect(await present(first)).toBe(waiting)
  await expect(stat(first.paths.authorityWaiting)).rejects.toMatchObject({ code: 'ENOENT' })
  await followAuthorities(second)
  expect(await readAuthorities(second.paths)).toEqual({
    certificate: waiting,
    privateKey: (await readAuthorities(first.paths)).privateKey,
    previous: [before],
  })
  expect(second.uses).toEqual([before, waiting])
  await followAuthorities(second)
  expect(second.uses).toHaveLength(2)
})

test('a row that was forged, taken from another number, put back or lost changes no server', async () => {
  const { shared, first, second } = await servers()
  const renewing = renewSharedAuthority(first, soon())
  await expect.poll(() => shared.row?.sequence).toBe(1)
  const older = shared.row
  await followAuthorities(second)
  await renewing
  await followAuthorities(second)
  const now = await present(second)
  const good = shared.row
  if (!good || !older) throw new Error('nothing was published')
  shared.row = { sequence: 9, sealed: good.sealed }
  await expect(followAuthorities(second)).rejects.toMatchObject({ code: 'ERR_INTEGRITY' })
  shared.row = older
  await followAuthorities(second)
  expect([await present(second), shared.row.sequence]).toEqual([now, 2])
  shared.row = undefined
  await followAuthorities(second)
  expect(await readSequence(second.paths)).toBe(2)
  expect(shared.row).toMatchObject({ sequence: 2 })
})

test('an earlier one is forgotten on every server; one that is none changes nothing', async () => {
  const { first, second } = await servers()
  const old = certificateFingerprint(new X509Certificate(await present(first)))
  await expect(forgetSharedAuthority(first, old)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  const renewing = renewSharedAuthority(first, soon())
  const following = setInterval(() => void followAuthorities(second).catch(() => undefined), 20)
  await renewing.finally(() => clearInterval(following))
  await forgetSharedAuthority(first, old)
  await expect
    .poll(async () => {
      await followAuthorities(second)
      return (await readAuthorities(second.paths)).previous
    })
    .toEqual([])
})

test('a number that is damaged is told', async () => {
  const { first } = await servers()
  await writeFile(first.paths.authoritySequence, 'x')
  await expect(followAuthorities(first)).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
})
