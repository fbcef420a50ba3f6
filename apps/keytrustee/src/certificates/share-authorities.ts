/**
 * Servers on one database have the same authorities of clients without anybody carrying files: each change is published under the
 * next number, and every server takes over a higher one than its own. A new authority is published twice, first to be admitted,
 * then, when every server that is up says that it admits it, to sign: no request meets a server that does not know it.
 */
import { X509Certificate } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { DomainError, type Fingerprint } from '@keyhsm/core'
import { certificateFingerprint, type KeyedCertificate } from '@keyhsm/service'
import type { Grants } from '../grants.js'
import type { Paths } from '../paths.js'
import type { Installation } from '../store/installation.js'
import type { SharedAuthorities } from '../store/shared-authorities.js'
import {
  type Authorities,
  noSuchAuthority,
  prepareAuthority,
  readAuthorities,
} from './authorities.js'
import {
  dropWaitingAuthority,
  type OwnState,
  readSequence,
  writeAuthorities,
} from './authority-files.js'
import { openAuthorities, sealAuthorities } from './sealed-authorities.js'

/** A server that wrote to the database within this time is waited for. */
const upMs = 60_000
const lookEveryMs = 250

export interface AuthorityDesk {
  readonly paths: Paths
  readonly grants: Pick<Grants, 'mac'>
  readonly shared: SharedAuthorities
  installation(): Installation
  now(): Date
  /** Has the running server admit and sign by what the files say now. */
  use(): Promise<void>
}

/** Takes over what others published, or publishes again what the database has lost. @throws ERR_INTEGRITY, ERR_STORE_UNAVAILABLE */
export async function followAuthorities(desk: AuthorityDesk): Promise<void> {
  const sequence = await readSequence(desk.paths)
  const published = await desk.shared.find()
  const there = published?.sequence ?? 0
  if (published && there > sequence)
    await adopt(desk, {
      sequence: there,
      authorities: openAuthorities(desk.grants, there, published.sealed),
    })
  else if (there < sequence) await publish(desk, await ownState(desk.paths), there)
  await noteTaken(desk, Math.max(there, sequence))
}

/**
 * Another authority for every server. Cut off at any point, it is run again and goes on with the same one.
 * @throws ERR_BUSY naming the servers that have not taken it over by `deadline` (of `performance.now()`), or when another server
 *   changes authorities at the same time; ERR_STORE_UNAVAILABLE
 */
export async function renewSharedAuthority(
  desk: AuthorityDesk,
  deadline: number,
): Promise<Fingerprint> {
  await followAuthorities(desk)
  const next = await prepareAuthority(desk.paths, desk.now())
  const before = await readAuthorities(desk.paths)
  const isAdmitted = before.previous.some((pem) => pem === next.certificate)
  if (!isAdmitted)
    await change(desk, { ...before, previous: [...before.previous, next.certificate] })
  await waitForAll(desk, deadline)
  await change(desk, signingBy(next, await readAuthorities(desk.paths)))
  await dropWaitingAuthority(desk.paths)
  return certificateFingerprint(new X509Certificate(next.certificate))
}

/** @throws ERR_NOT_FOUND when none of those before has this fingerprint; as {@link renewSharedAuthority} */
export async function forgetSharedAuthority(
  desk: AuthorityDesk,
  fingerprint: Fingerprint,
): Promise<void> {
  await followAuthorities(desk)
  const before = await readAuthorities(desk.paths)
  const previous = before.previous.filter(
    (pem) => certificateFingerprint(new X509Certificate(pem)) !== fingerprint,
  )
  if (previous.length === before.previous.length) throw noSuchAuthority()
  await change(desk, { ...before, previous })
}

function signingBy(next: KeyedCertificate, before: Authorities): Authorities {
  const others = before.previous.filter((pem) => pem !== next.certificate)
  return { ...next, previous: [...others, before.certificate] }
}

async function ownState(paths: Paths): Promise<OwnState> {
  return { sequence: await readSequence(paths), authorities: await readAuthorities(paths) }
}

/** The database first: what it does not have, nobody else could know. */
async function change(desk: AuthorityDesk, authorities: Authorities): Promise<void> {
  const before = await readSequence(desk.paths)
  const next = { sequence: before + 1, authorities }
  await publish(desk, next, before)
  await adopt(desk, next)
  await noteTaken(desk, next.sequence)
}

async function publish(
  { grants, shared }: AuthorityDesk,
  { sequence, authorities }: OwnState,
  before: number,
): Promise<void> {
  const sealed = sealAuthorities(grants, sequence, authorities)
  if (!(await shared.publish({ sequence, sealed }, before)))
    throw new DomainError(
      'ERR_BUSY',
      'another server changes the authorities of clients just now',
      {
        hints: ['run it again, on one server'],
      },
    )
}

async function adopt(desk: AuthorityDesk, state: OwnState): Promise<void> {
  await writeAuthorities(desk.paths, state)
  await desk.use()
}

async function noteTaken(desk: AuthorityDesk, sequence: number): Promise<void> {
  if (sequence === 0) return
  const { mode, own } = desk.installation()
  if (mode !== 'writer' || (await desk.shared.taken()).get(own) === sequence) return
  await desk.shared.take(own, sequence)
}

async function waitForAll(desk: AuthorityDesk, deadline: number): Promise<void> {
  const sequence = await readSequence(desk.paths)
  for (;;) {
    const taken = await desk.shared.taken()
    const behind = desk
      .installation()
      .nodes.filter(({ node, ageMs }) => ageMs < upMs && (taken.get(node) ?? 0) < sequence)
    if (behind.length === 0) return
    if (performance.now() >= deadline) throw notTakenOver(behind)
    await pause(lookEveryMs)
  }
}

function notTakenOver(behind: readonly { readonly name: string; readonly url: string }[]) {
  const names = behind.map(({ name, url }) => `${name} (${url})`).join(', ')
  return new DomainError('ERR_BUSY', `the new authority is not known yet to ${names}`, {
    hints: [
      'it is admitted already and signs nothing: run the same command again when they are back',
      'one that is lost: ktadmin nodes remove',
    ],
  })
}
