import { type Clock, DomainError, newUuid, type Uuid } from '@keyhsm/core'
import { audited } from '../audited.js'
import type { Trustee } from '../trustee.js'
import type { KeyHsmLink } from './key-hsm-link.js'
import { isForwarded, isLocalPeer } from './local-peer.js'
import { translate } from './key-hsm-sealer.js'
import { proveSample } from './prove-sample.js'
import { notJoined } from './sealing-state.js'

/** Of a request, what tells where it came from. */
interface From {
  readonly peerAddress: string
  readonly headers: Readonly<Record<string, string | undefined>>
}

export interface HsmTest {
  /**
   * Makes, opens, checks and removes a sample key; the sentence of the old product. Callers that come while a test runs
   * share its result.
   * @throws ERR_NOT_ALLOWED from another host or through a proxy; ERR_NOT_JOINED; the HSM's own.
   */
  run(from: From): Promise<string>
}

export function createHsmTest(
  trustee: Pick<Trustee, 'audit' | 'clock'>,
  link: () => KeyHsmLink | undefined,
): HsmTest {
  let running: Promise<string> | undefined
  return {
    async run({ peerAddress, headers }) {
      if (!isLocalPeer(peerAddress) || isForwarded(headers))
        throw new DomainError(
          'ERR_NOT_ALLOWED',
          'this page is for callers on the server’s own host',
        )
      const joined = link()
      if (!joined) throw notJoined()
      running ??= testOnce(trustee, joined, newUuid()).finally(() => {
        running = undefined
      })
      return running
    },
  }
}

async function testOnce(
  { audit, clock }: Pick<Trustee, 'audit' | 'clock'>,
  { calls, joined }: KeyHsmLink,
  requestId: Uuid,
): Promise<string> {
  const handle = sampleHandle(clock)
  const operation = { operation: 'test-hsm', requestId, actor: 'local', subjects: [{ handle }] }
  await audited(audit, operation, 'done', () =>
    proveSample(calls, { canary: joined.canary, handle, requestId }).catch(translate),
  )
  return `"Sample Key ${handle} has been created"\n`
}

/** `TEST_HELLO_DEPOSIT2016-06-03-072718`, in UTC. @see Key HSM manual, "Validate Key HSM Settings" */
function sampleHandle(clock: Clock): string {
  const [date = '', time = ''] = clock.now().toISOString().split('T')
  return `TEST_HELLO_DEPOSIT${date}-${time.slice(0, 8).replaceAll(':', '')}`
}
