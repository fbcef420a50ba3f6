/** Row 5: another server than the expected one is told nothing, and the user sees both fingerprints. */
import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { makeSelfSigned } from '@keyhsm/service'
import { facts } from './lib/case.mjs'

const nothing = 'nothing was sent to it'
/** docs/formats/succession.md: any server may be asked for it, by anybody. */
const onlyAsked = 'only asked, without a certificate, who vouches for it'
const question =
  /^GET \/v1\/certificate-successions HTTP\/1\.1\r\n(host|connection): [^\r\n]*\r\n(host|connection): [^\r\n]*\r\n\r\n$/i

/** The words that show that a user can compare: both fingerprints, as openssl prints them. */
function compared(text, expected, shown) {
  const plain = text.replaceAll(':', '').toLowerCase()
  return facts(
    [
      plain.includes(expected),
      'shows the expected fingerprint',
      `expected fingerprint missing in ${text}`,
    ],
    [
      plain.includes(shown),
      'shows the other’s fingerprint',
      `other fingerprint missing in ${text}`,
    ],
  )
}

const both = 'shows the expected fingerprint, shows the other’s fingerprint'

const cases = [
  {
    row: 5,
    name: 'keytrustee register --server-fingerprint at another server',
    expected: `exit 2, ${both}, ${nothing}`,
    run: async ({ stack, impostor }) => {
      const expected = await stack.serverFingerprint()
      const { exit, stderr } = await register(stack, impostor, `--server-fingerprint ${expected}`)
      return `exit ${exit}, ${compared(stderr, expected, impostor.fingerprint)}, ${impostor.heard()}`
    },
  },
  {
    row: 5,
    name: 'keytrustee register --cacert at another server',
    expected: `exit 2, ${both}, ${nothing}`,
    run: async ({ stack, impostor }) => {
      const expected = await stack.serverFingerprint()
      const certificate = join(stack.home, 'keytrustee/.ssl/ssl-cert-keytrustee.pem')
      const { exit, stderr } = await register(stack, impostor, `--cacert ${certificate}`)
      return `exit ${exit}, ${compared(stderr, expected, impostor.fingerprint)}, ${impostor.heard()}`
    },
  },
  {
    row: 5,
    name: 'keytrustee register with nothing to compare and nobody to ask',
    expected: `exit 2, ${nothing}`,
    run: async ({ stack, impostor }) => {
      const { exit } = await register(stack, impostor, '')
      return `exit ${exit}, ${impostor.heard()}`
    },
  },
  {
    row: 5,
    name: 'the same server is told something when its own fingerprint is given (so that the others mean something)',
    expected: 'it heard the request with the secret',
    run: async ({ stack, impostor }) => {
      await register(stack, impostor, `--server-fingerprint ${impostor.fingerprint}`)
      const secret = readFileSync(stack.authFile, 'utf8').trim()
      return facts([impostor.bytes().includes(secret), 'it heard the request with the secret'])
    },
  },
  {
    row: 5,
    name: 'keytrustee get when another server has taken the place of the registered one',
    expected: `exit 77, says that it is another server, ${onlyAsked}`,
    run: async ({ stack, impostor }) => {
      impostor.forget()
      const moved = join(stack.home, 'moved')
      const to = `https://127.0.0.1:${impostor.port}`
      await stack.run(
        `rm -rf ${moved}; mkdir ${moved}; cp -a client ${moved}; sed -i s,${stack.url},${to}, ${moved}/client/client.json`,
      )
      const { exit, stderr } = await stack.run(`keytrustee --home ${moved} get x`, { exit: 'any' })
      return `exit ${exit}, ${facts([/not the|another|wrong|pinned/i.test(stderr), 'says that it is another server', stderr])}, ${impostor.askedOnly()}`
    },
  },
  {
    row: 5,
    name: 'ktadmin keyhsm --fingerprint at another Key HSM',
    expected: `exit 2, ${both}, ${nothing}`,
    run: async ({ stack, impostor }) => {
      impostor.forget()
      const expected = await stack.keyHsmFingerprint()
      const { exit, stderr } = await stack.run(
        `ktadmin keyhsm --server https://127.0.0.1:${impostor.port} --trust --fingerprint ${expected}`,
        { exit: 'any' },
      )
      return `exit ${exit}, ${compared(stderr, expected, impostor.fingerprint)}, ${impostor.heard()}`
    },
  },
]

function register(stack, impostor, flags) {
  impostor.forget()
  const home = join(stack.home, 'newcomer')
  return stack.run(
    `rm -rf ${home}; keytrustee --home ${home} register --server https://127.0.0.1:${impostor.port} --org demo --auth-file ${stack.authFile} --clientname newcomer ${flags}`,
    { exit: 'any' },
  )
}

/** A TLS server with a certificate of its own, which writes down what it hears and answers nothing of use. */
async function startImpostor() {
  const { certificate, privateKey } = await makeSelfSigned({
    commonName: '127.0.0.1',
    subjectAltNames: ['127.0.0.1'],
    days: 2,
    usage: 'server',
  })
  let heard = []
  let certificates = 0
  const sockets = new Set()
  const server = createServer(
    { cert: certificate, key: privateKey, requestCert: true, rejectUnauthorized: false },
    (socket) => {
      sockets.add(socket)
      if (socket.getPeerX509Certificate()) certificates += 1
      socket.on('error', () => {})
      socket.on('data', (chunk) => {
        heard.push(chunk)
        socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
      })
    },
  )
  server.on('tlsClientError', () => {})
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const bytes = () => Buffer.concat(heard)
  return {
    port: server.address().port,
    fingerprint: createHash('sha256').update(new X509Certificate(certificate).raw).digest('hex'),
    bytes,
    askedOnly: () =>
      question.test(bytes().toString('latin1')) && certificates === 0
        ? onlyAsked
        : `${certificates} CERTIFICATES AND ${JSON.stringify(bytes().toString('latin1'))} WERE SENT TO IT`,
    heard: () => (bytes().length === 0 ? nothing : `${bytes().length} BYTES WERE SENT TO IT`),
    forget: () => {
      heard = []
      certificates = 0
    },
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

/** @type {import('./lib/case.mjs').Group} */
export const group = {
  stack: 'shared',
  cases,
  prepare: async () => ({ impostor: await startImpostor() }),
  restore: ({ impostor }) => impostor.close(),
}
