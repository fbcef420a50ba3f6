/**
 * Another pair to show to Key HSM. It waits, complete, beside the one in use until Key HSM trusts it; what is in use says
 * `join.json` alone, so whatever is cut off, the next run or start knows whether the waiting one took its place.
 */
import { X509Certificate } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import {
  certificateFile,
  finishSwap,
  isInItsTime,
  type KeyedCertificate,
  keyFile,
  layDownPair,
  makeSelfSigned,
  type PairPlaces,
} from '@keyhsm/service'
import { readOptionalText, readPrivateText } from '../files.js'
import type { Paths } from '../paths.js'
import type { Joined } from '../sealing/join-file.js'
import { type GivenPair, parseGivenPair } from './given-pair.js'

/** Lifetime in days. */
const keyHsmClientDays = 3650

type PairPaths = Pick<Paths, 'keyHsmClientNext' | 'keyHsmClientCertificate' | 'keyHsmClientKey'>

/** Where the certificate waits that `keyhsm trust` must be given. */
export function waitingCertificateFile({ keyHsmClientNext }: PairPaths): string {
  return join(keyHsmClientNext, certificateFile)
}

/** PEM of the certificate that waits. */
export function findWaitingCertificate(paths: PairPaths): Promise<string | undefined> {
  return readOptionalText(waitingCertificateFile(paths))
}

/** A self-signed pair for a client of Key HSM. */
export function makeKeyHsmPair(now?: Date): Promise<KeyedCertificate> {
  return makeSelfSigned({
    commonName: `keytrustee@${hostname()}`,
    subjectAltNames: [],
    days: keyHsmClientDays,
    usage: 'client',
    ...(now === undefined ? {} : { now }),
  })
}

/** The pair that waits; made when there is none that is still good. */
export async function prepareKeyHsmPair(paths: PairPaths, now: Date): Promise<KeyedCertificate> {
  const certificate = await findWaitingCertificate(paths)
  if (certificate !== undefined && isInItsTime(new X509Certificate(certificate), now)) {
    const privateKey = await readPrivateText(join(paths.keyHsmClientNext, keyFile))
    return { certificate, privateKey }
  }
  const fresh = await makeKeyHsmPair(now)
  await layDown(paths, fresh)
  return fresh
}

/** The same with a pair from an authority, in place of one that waits. @throws ERR_INVALID_INPUT for one that cannot be shown */
export async function prepareGivenPair(
  paths: PairPaths,
  given: GivenPair,
  now: Date,
): Promise<KeyedCertificate> {
  const pair = parseGivenPair(given, now)
  await layDown(paths, pair)
  return pair
}

/** Gives the waiting pair its place when Key HSM is shown it already, or when there is no Key HSM. */
export async function finishKeyHsmPair(
  paths: PairPaths,
  joined: Pick<Joined, 'clientCertificate'> | undefined,
): Promise<void> {
  const waiting = await findWaitingCertificate(paths)
  if (waiting === undefined) return
  if (joined && !isSame(waiting, joined.clientCertificate)) return
  await finishSwap(placesOf(paths))
}

/** In place of one that waited and was never shown. */
async function layDown(paths: PairPaths, pair: KeyedCertificate): Promise<void> {
  await rm(paths.keyHsmClientNext, { recursive: true, force: true })
  await layDownPair(placesOf(paths), pair)
}

function placesOf(paths: PairPaths): PairPlaces {
  const { keyHsmClientNext: next, keyHsmClientCertificate: certificate } = paths
  return { next, certificate, key: paths.keyHsmClientKey }
}

function isSame(left: string, right: string): boolean {
  return new X509Certificate(left).raw.equals(new X509Certificate(right).raw)
}
