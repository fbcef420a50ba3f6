/** `ktadmin cert renew|replace --key-hsm`: another pair is shown to Key HSM as soon as that trusts it. */
import { X509Certificate } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { type Input, optionText } from '@keyhsm/command-line'
import { DomainError, type Fingerprint, hasCode, parseDuration, systemClock } from '@keyhsm/core'
import { joinRoute, statusRoute } from '@keyhsm/protocol'
import { certificateFingerprint, type KeyedCertificate } from '@keyhsm/service'
import { finishKeyHsmPair, waitingCertificateFile } from '../certificates/key-hsm-pair.js'
import { type Paths, pathsIn } from '../paths.js'
import { type Joined, readJoinFile } from '../sealing/join-file.js'
import { callServer } from './control.js'

const askEveryMs = 2_000

interface Shown {
  readonly fingerprint: Fingerprint
  readonly outcome: 'in use' | 'in use once a Key HSM is joined'
  readonly missingNames: readonly string[]
  readonly before?: Fingerprint
}

/**
 * The running server joins its Key HSM again with the pair that `prepare` lays down: the whole way is proved before anything is
 * exchanged. What Key HSM does not trust yet waits; the next run goes on with it.
 * @throws ERR_BUSY with the command for Key HSM's host while the pair is not trusted there; ERR_UNAVAILABLE when the server does
 * not run: nothing is made then
 */
export async function showToKeyHsm(
  input: Input,
  prepare: (paths: Paths, now: Date) => Promise<KeyedCertificate>,
): Promise<Shown> {
  const paths = pathsIn(input.home.keytrustee)
  await callServer(input, statusRoute)
  const joined = await readJoinFile(paths)
  await finishKeyHsmPair(paths, joined)
  const pair = await prepare(paths, systemClock.now())
  const shown = { fingerprint: fingerprintOf(pair.certificate), missingNames: [] }
  if (joined) await joinWith(input, { paths, joined, pair })
  await finishKeyHsmPair(paths, await readJoinFile(paths))
  return joined
    ? { ...shown, outcome: 'in use', before: fingerprintOf(joined.clientCertificate) }
    : { ...shown, outcome: 'in use once a Key HSM is joined' }
}

interface Joining {
  readonly paths: Paths
  readonly joined: Joined
  readonly pair: KeyedCertificate
}

async function joinWith(input: Input, { paths, joined, pair }: Joining): Promise<void> {
  const { url, serverCertificate, realm } = joined
  const { certificate: clientCertificate, privateKey: clientKey } = pair
  const body = { url, serverCertificate, clientCertificate, clientKey }
  const wait = optionText(input, 'wait')
  const deadline = performance.now() + (wait === undefined ? 0 : parseDuration(wait, '--wait'))
  for (;;) {
    try {
      await callServer(input, joinRoute, { body })
      return
    } catch (error) {
      if (!hasCode(error, 'ERR_UNAVAILABLE')) throw error
      if (performance.now() >= deadline) throw notTrustedYet(paths, realm, error)
    }
    await pause(askEveryMs)
  }
}

function notTrustedYet(paths: Paths, realm: string, cause: DomainError): DomainError {
  return new DomainError(
    'ERR_BUSY',
    'Key HSM does not take the new certificate yet: the one before stays in use',
    {
      cause,
      hints: [
        `where Key HSM runs: keyhsm trust ${waitingCertificateFile(paths)} --realm ${realm}`,
        'then the same command here again, or with --wait 10m',
        `what it said: ${cause.message}`,
      ],
    },
  )
}

function fingerprintOf(pem: string): Fingerprint {
  return certificateFingerprint(new X509Certificate(pem))
}
