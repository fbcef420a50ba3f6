/**
 * Exchanging a certificate and its key, which are two files, as one: the new pair is laid down complete in a folder, whose name
 * appears at once, and is moved from there. Cut off at any point, {@link finishSwap} goes on.
 */
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncDirectory, writeFileAtomically } from './atomic-file.js'
import type { KeyedCertificate } from './certificates.js'

export interface PairPlaces {
  /** Folder of the pair that follows; exists only while it is being moved. */
  readonly next: string
  readonly certificate: string
  readonly key: string
}

export const keyFile = 'key.pem'
export const certificateFile = 'certificate.pem'

/** What follows is on disk when this resolves, and nothing is exchanged yet. */
export async function layDownPair(
  { next }: Pick<PairPlaces, 'next'>,
  pair: KeyedCertificate,
): Promise<void> {
  // Under another name first: the folder of the right name is complete.
  const draft = `${next}.draft`
  await rm(draft, { recursive: true, force: true })
  await mkdir(draft, { mode: 0o700 })
  await writeFileAtomically(join(draft, keyFile), pair.privateKey, 0o600)
  await writeFileAtomically(join(draft, certificateFile), pair.certificate, 0o644)
  await rename(draft, next)
  await syncDirectory(dirname(next))
}

/** Moves what {@link layDownPair} laid down, or what is left of it; nothing happens where nothing is. */
export async function finishSwap({ next, certificate, key }: PairPlaces): Promise<void> {
  await move(join(next, keyFile), key)
  await move(join(next, certificateFile), certificate)
  await rm(next, { recursive: true, force: true })
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  await syncDirectory(dirname(to))
}
