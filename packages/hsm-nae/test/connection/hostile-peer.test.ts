/** A peer that sends whatever it likes: the driver answers with its own errors, in time, and with nothing of ours. */
import { createServer } from 'node:net'
import { SecretBytes } from '@keyhsm/core'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectSocket } from '../../src/connection/connect-socket.js'
import { NaeLink } from '../../src/connection/nae-link.js'
import { defaultDialect } from '../../src/dialect/dialect.js'
import { LinkError, NaeRefusal } from '../../src/failure.js'
import { randGenRequest } from '../../src/messages/crypto.js'
import { logIn } from '../../src/connection/open-link.js'
import { defaultTimers } from '../../src/options.js'

let answer = Buffer.alloc(0)
const server = createServer((socket) => {
  socket.on('error', () => socket.destroy())
  socket.once('data', () => socket.end(answer))
})
const node = { host: '127.0.0.1', port: 0 }

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address !== null && typeof address === 'object') node.port = address.port
})

afterAll(() => void server.close())

const good = Buffer.from(
  '<RandGenResponse><ID>1</ID><Success>true</Success></RandGenResponse><Data><Size>2</Size>ab</Data>',
)
const damaged = fc
  .array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 5 })
  .map((changes) => {
    const bytes = Buffer.from(good)
    for (const [at, byte] of changes) bytes[at % bytes.length] = byte
    return bytes
  })
const noise = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes))
const pieces = fc
  .array(
    fc.constantFrom(
      '<',
      '>',
      '</',
      '<Data>',
      '<Size>',
      '9',
      '&',
      ';',
      '<!',
      '<?',
      'a',
      '"',
      ' ',
      '/>',
    ),
    {
      maxLength: 40,
    },
  )
  .map((parts) => Buffer.from(parts.join('')))

test('noise and damage are refused or read, never anything else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(damaged, noise, pieces), async (bytes) => {
      answer = bytes
      const link = new NaeLink(node, await connectSocket(node, undefined, 1000), defaultDialect)
      const failure: unknown = await link.request(randGenRequest(defaultDialect, 2), 1000).then(
        () => undefined,
        (error: unknown) => error,
      )
      link.close()
      if (failure !== undefined) {
        expect(failure instanceof LinkError || failure instanceof NaeRefusal).toBe(true)
      }
    }),
    { numRuns: 150 },
  )
})

test('a peer that repeats the password in its refusal does not get it into what callers see', async () => {
  const text = 'bad login MARKED-password'
  answer = Buffer.from(
    `<AuthResponse><ID>1</ID><Success>false</Success><ErrorString>${text}</ErrorString></AuthResponse>`,
  )
  const link = new NaeLink(node, await connectSocket(node, undefined, 1000), defaultDialect)
  const timers = { ...defaultTimers, readMs: 1000 }
  const options = { tls: undefined, user: 'keyhsm', dialect: defaultDialect, timers }
  const password = SecretBytes.own(Buffer.from('MARKED-password'))
  const failure: unknown = await logIn(link, options, password).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(NaeRefusal)
  expect(String(failure) + JSON.stringify(failure)).not.toContain('MARKED-password')
})
