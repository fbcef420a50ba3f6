import { describeHsm } from '@keyhsm/hsm/conformance'
import { naeUnderTest } from './support/under-test.js'

const representatives = { pair: 'rsa-2048', secret: 'aes-256' } as const

/** The contract on a cluster of two nodes over TLS, whose changes reach the other node late. */
describeHsm(
  'keysecure',
  () => naeUnderTest({ tls: true, server: { nodes: 2, replicationMs: 50 } }),
  representatives,
)

/**
 * The contract on the least helpful appliance: plain TCP, answers in numbers that nobody has seen, absent keys answered as
 * forbidden ones, no pages, data in small chunks, bytes that arrive piece by piece. What is concluded, is from behaviour.
 */
if (process.env['KEYHSM_CONFORMANCE'] === 'full') {
  describeHsm(
    'keysecure-terse',
    () =>
      naeUnderTest({
        server: {
          behaviour: {
            errors: 'numbers',
            mergesMissing: true,
            pages: false,
            chunkBytes: 7,
            dribbleBytes: 40,
            signatures: 'raw',
          },
        },
      }),
    representatives,
  )
}
