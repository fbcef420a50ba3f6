/** The files of the authorities as one state with a number, so that a server that was cut off takes over the same again. */
import { X509Certificate } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { basename } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { finishSwap, layDownPair, writeFileAtomically } from '@keyhsm/service'
import { readOptionalText, readText } from '../files.js'
import type { Paths } from '../paths.js'
import { type Authorities, fileOf, listPrevious, placesOf } from './authorities.js'

export interface OwnState {
  readonly sequence: number
  readonly authorities: Authorities
}

/** 0 before the first change that servers shared. @throws ERR_SETTINGS */
export async function readSequence({
  authoritySequence,
}: Pick<Paths, 'authoritySequence'>): Promise<number> {
  const text = (await readOptionalText(authoritySequence))?.trim()
  if (text === undefined) return 0
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new DomainError('ERR_SETTINGS', '.ca/sequence is damaged', {
    hints: ['remove it: the server takes over what the others have'],
  })
}

/** The number comes last: cut off before, everything is written again. */
export async function writeAuthorities(
  paths: Paths,
  { sequence, authorities: { certificate, privateKey, previous } }: OwnState,
): Promise<void> {
  await mkdir(paths.previousAuthorities, { recursive: true, mode: 0o700 })
  const kept = previous.map((pem) => ({ pem, path: fileOf(paths, new X509Certificate(pem)) }))
  for (const { path, pem } of kept) await writeFileAtomically(path, pem, 0o644)
  if ((await readText(paths.authorityCertificate)) !== certificate) {
    await layDownPair(placesOf(paths), { certificate, privateKey })
    await finishSwap(placesOf(paths))
  }
  const names = new Set(kept.map(({ path }) => basename(path)))
  for (const path of await listPrevious(paths)) if (!names.has(basename(path))) await rm(path)
  await writeFileAtomically(paths.authoritySequence, `${sequence}\n`, 0o600)
}

/** Removes the pair that {@link prepareAuthority} laid down, now that it signs. */
export async function dropWaitingAuthority({
  authorityWaiting,
}: Pick<Paths, 'authorityWaiting'>): Promise<void> {
  await rm(authorityWaiting, { recursive: true, force: true })
}
