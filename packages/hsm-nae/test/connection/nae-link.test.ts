/** One connection: answers that are late, cut, foreign or for somebody else. */
import { createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { NaeLink, type NaeRequest } from '../../src/connection/nae-link.js'
import { connectSocket } from '../../src/connection/connect-socket.js'
import { defaultDialect } from '../../src/dialect/dialect.js'

const random: NaeRequest = { request: 'randGenRequest', response: 'randGenResponse', children: [] }
const info: NaeRequest = { request: 'keyInfoRequest', response: 'keyInfoResponse', children: [] }

/** A server that answers the first bytes of each connection with what `answer` does. */
async function linkTo(answer: (socket: Socket) => void): Promise<NaeLink> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.once('data', () => answer(socket))
    onTestFinished(() => void socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  const node = { host: '127.0.0.1', port }
  const link = new NaeLink(node, await connectSocket(node, undefined, 1000), defaultDialect)
  onTestFinished(() => link.close())
  return link
}

const ok = '<ID>1</ID><Success>true</Success>'
const data = '<Data><Size>2</Size>ab</Data>'

test('an answer with its data, whose bytes arrive one by one', async () => {
  const text = `\n<RandGenResponse>${ok}<Extra><Unknown/></Extra></RandGenResponse>\n${data}`
  const link = await linkTo((socket) => {
    let at = 0
    const next = () => {
      if (at < text.length) socket.write(text.slice(at, ++at), () => setImmediate(next))
    }
    next()
  })
  expect((await link.request(random, 2000)).data?.toString()).toBe('ab')
  expect(link.usable).toBe(true)
})

test('a refusal that is not fatal leaves the connection, a fatal one ends it', async () => {
  for (const fatal of [false, true]) {
    const text = `<KeyInfoResponse><ID>1</ID><Success>false</Success><FatalError>${fatal}</FatalError><ErrorString>Unknown key\u0007</ErrorString></KeyInfoResponse>`
    const link = await linkTo((socket) => socket.write(text.replace('\u0007', '')))
    const refusal = { name: 'NaeRefusal', means: 'missing-or-forbidden', fatal }
    await expect(link.request(info, 1000)).rejects.toMatchObject(refusal)
    expect(link.usable).toBe(!fatal)
  }
})

const foreign: [string, string, string][] = [
  [
    'the answer to another request',
    `<KeyInfoResponse><ID>7</ID><Success>true</Success></KeyInfoResponse>`,
    'not-nae-xml',
  ],
  ['an answer of another kind', `<KeyDelResponse>${ok}</KeyDelResponse>`, 'not-nae-xml'],
  [
    'two answers',
    `<KeyInfoResponse>${ok}</KeyInfoResponse><KeyInfoResponse>${ok}</KeyInfoResponse>`,
    'not-nae-xml',
  ],
  ['no XML', 'hello', 'not-nae-xml'],
  ['a TLS alert', '\u0015\u0003\u0001\u0000\u0002', 'tls-only'],
]
test.each(foreign)('%s ends the connection', async (_what, text, fault) => {
  const link = await linkTo((socket) => socket.write(Buffer.from(text, 'latin1')))
  await expect(link.request(info, 1000)).rejects.toMatchObject({ fault, sent: true })
  expect(link.usable).toBe(false)
  await expect(link.request(info, 1000)).rejects.toMatchObject({ fault })
})

test('what nobody asked for ends the connection', async () => {
  const link = await linkTo((socket) => {
    socket.write(`<KeyInfoResponse>${ok}</KeyInfoResponse>`)
    setTimeout(() => socket.write(`<KeyInfoResponse>${ok}</KeyInfoResponse>`), 20)
  })
  await link.request(info, 1000)
  await expect.poll(() => link.usable).toBe(false)
})

test('no answer in time, an answer cut short, a half-closed and a reset connection are lost', async () => {
  const cut = `<KeyInfoResponse>${ok}`
  const silent = await linkTo(() => undefined)
  await expect(silent.request(info, 30)).rejects.toMatchObject({ fault: 'no-answer', sent: true })
  const ways = [
    (socket: Socket) => socket.write(cut, () => socket.destroy()),
    (socket: Socket) => socket.end(cut),
    (socket: Socket) => socket.resetAndDestroy(),
  ]
  for (const way of ways) {
    const link = await linkTo((socket) => void way(socket))
    await expect(link.request(info, 2000)).rejects.toMatchObject({ fault: 'lost', sent: true })
    expect(link.usable).toBe(false)
  }
})

test('only one request at a time', async () => {
  const link = await linkTo(() => undefined)
  const first = link.request(info, 200)
  await expect(link.request(info, 200)).rejects.toThrow('one request at a time')
  await expect(first).rejects.toMatchObject({ fault: 'no-answer' })
})
