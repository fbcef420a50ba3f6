/**
 * The pair that is shown to Hadoop, and the one that follows it. Hadoop's clients know a self-signed certificate by their truststores, and
 * nothing tells them of another: so the next one is laid down first, to be given to them, and takes the place of the one in use when it is told to.
 */
import { X509Certificate } from 'node:crypto'
import { readFile, rename, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join, relative } from 'node:path'
import { DomainError } from '@keyhsm/core'
import {
  certificateFile,
  finishSwap,
  isInItsTime,
  type KeyedCertificate,
  layDownPair,
  makeSelfSigned,
} from '@keyhsm/service'
import type { Paths } from '../paths.js'
import { type Settings, settingPath } from '../settings.js'

const serverDays = 825

type PairSettings = Pick<Settings, 'certificate' | 'key'>
type PairPaths = Pick<Paths, 'root'>

export interface RenewOrder {
  readonly paths: PairPaths
  readonly settings: PairSettings
  /** Names and addresses beside those of the certificate in use. */
  readonly names: readonly string[]
  readonly now: Date
}

export interface NextPair {
  readonly certificate: X509Certificate
  readonly path: string
}

/** A self-signed pair for this host, loopback and `names`. */
export function makeServerPair(names: readonly string[], now?: Date): Promise<KeyedCertificate> {
  return makeSelfSigned({
    commonName: hostname().slice(0, 64) || 'keytrustee-kms',
    subjectAltNames: [...new Set([hostname(), 'localhost', '127.0.0.1', ...names])],
    days: serverDays,
    usage: 'server',
    ...(now === undefined ? {} : { now }),
  })
}

/** The pair that waits to be put in use. */
export async function findNextPair(paths: PairPaths): Promise<NextPair | undefined> {
  const path = join(waitingFolder(paths), certificateFile)
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new DomainError('ERR_SETTINGS', 'the next TLS certificate cannot be read', {
      cause: error,
    })
  })
  return text === undefined ? undefined : { certificate: new X509Certificate(text), path }
}

/**
 * Lays the next pair down, with the names of the one in use; what waits already stays, unless it lacks a name or has ended.
 * @throws ERR_SETTINGS where the pair in use is not one that this program made.
 */
export async function prepareNextPair(o: RenewOrder): Promise<NextPair> {
  const { paths, now } = o
  const present = await requireOwnPair(o)
  const names = [...new Set([...namesOf(present), ...o.names])]
  const waiting = await findNextPair(paths)
  if (waiting && isInItsTime(waiting.certificate, now)) {
    const has = new Set(namesOf(waiting.certificate))
    if (names.every((name) => has.has(name))) return waiting
  }
  const next = waitingFolder(paths)
  const pair = await makeServerPair(names, now)
  await rm(next, { recursive: true, force: true })
  await layDownPair({ next }, pair)
  return { certificate: new X509Certificate(pair.certificate), path: join(next, certificateFile) }
}

/** Puts the pair that waits in the place of the one in use, from the next start or reload on. */
export async function useNextPair(o: RenewOrder): Promise<X509Certificate> {
  const { certificate } = await prepareNextPair(o)
  await rename(waitingFolder(o.paths), changingFolder(o.paths))
  await finishServerSwap(o.paths, o.settings)
  return certificate
}

/** Puts `pair` in the place of the one in use, from the next start or reload on. @throws ERR_SETTINGS where that one lies elsewhere. */
export async function useGivenPair(
  o: { readonly paths: PairPaths; readonly settings: PairSettings },
  pair: KeyedCertificate,
): Promise<void> {
  const { paths, settings } = o
  if (placesOf(o).some((path) => liesElsewhere(paths, path)))
    throw new DomainError('ERR_SETTINGS', 'the certificate for Hadoop lies elsewhere', {
      hints: ['take keytrustee-kms.tls.certificate and …tls.key out of kms.properties'],
    })
  await finishServerSwap(paths, settings)
  await layDownPair({ next: changingFolder(paths) }, pair)
  await finishServerSwap(paths, settings)
}

/** Completes a change that was cut off; nothing happens where none was. */
export async function finishServerSwap(paths: PairPaths, settings: PairSettings): Promise<void> {
  await finishSwap({
    next: changingFolder(paths),
    certificate: settingPath(paths, settings.certificate),
    key: settingPath(paths, settings.key),
  })
}

async function requireOwnPair({ paths, settings }: RenewOrder): Promise<X509Certificate> {
  await finishServerSwap(paths, settings)
  const files = placesOf({ paths, settings })
  const text = await readFile(files[0] ?? '', 'utf8').catch((cause: unknown) => {
    throw new DomainError('ERR_SETTINGS', 'the TLS certificate cannot be read', { cause })
  })
  const present = new X509Certificate(text)
  const isForeign = files.some((path) => liesElsewhere(paths, path))
  if (!isForeign && present.subject === present.issuer) return present
  throw new DomainError(
    'ERR_SETTINGS',
    'the certificate for Hadoop was not made here: it comes from an authority, or lies elsewhere',
    {
      hints: [
        'get another one where it comes from, put certificate and key in their places,',
        'then run: keytrustee-kms reload',
      ],
    },
  )
}

function placesOf(o: { readonly paths: PairPaths; readonly settings: PairSettings }): string[] {
  return [o.settings.certificate, o.settings.key].map((path) => settingPath(o.paths, path))
}

function liesElsewhere({ root }: PairPaths, path: string): boolean {
  return relative(root, path).startsWith('..')
}

/** As `subjectAltName` of node:crypto writes them: `DNS:a, IP Address:127.0.0.1`. */
function namesOf({ subjectAltName = '' }: X509Certificate): readonly string[] {
  return subjectAltName
    .split(', ')
    .map((entry) => entry.replace(/^(?:DNS|IP Address):/, ''))
    .filter((name) => name !== '')
}

function waitingFolder({ root }: PairPaths): string {
  return join(root, 'tls', 'next')
}

/** Exists only while the pair is being moved. */
function changingFolder({ root }: PairPaths): string {
  return join(root, 'tls', 'changing')
}
