/** Row 4: who is not a client of the right organisation gets nothing, and learns nothing. */
import { readFileSync, writeFileSync } from 'node:fs'
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { issueClientCertificate, makeAuthority, makeSelfSigned } from '@keyhsm/service'
import { lastSequence, watchHsm } from './lib/audit.mjs'
import { facts } from './lib/case.mjs'
import {
  ask,
  codeOf,
  identityOf,
  keytrustee,
  openClient,
  registerClient,
  verdictOf,
} from './lib/clients.mjs'
import { logStatements, statementsOf } from './lib/database.mjs'

const self = '/v1/self'
const nobody = '401 ERR_NOT_AUTHENTICATED'

const cases = [
  caller('a registered client (so that the others mean something)', '200', ({ own }) => own),
  caller('no certificate', nobody, () => ({})),
  caller('a certificate that it made itself', nobody, async () => {
    const made = await makeSelfSigned({
      commonName: 'client',
      subjectAltNames: [],
      days: 1,
      usage: 'client',
    })
    return { cert: made.certificate, key: made.privateKey }
  }),
  caller(
    'a certificate with the client’s name and key from an authority of the same name',
    nobody,
    async (context) => {
      const issuer = new X509Certificate(context.authority.certificate).issuer
      const commonName = /CN=(.*)/.exec(issuer)[1]
      const authority = await makeAuthority({ commonName, days: 10 })
      return issueAgain(context, { authority })
    },
  ),
  caller('a certificate that has expired', nobody, (context) =>
    issueAgain(context, { daysAgo: 30 }),
  ),
  caller('a certificate that is not valid yet', nobody, (context) =>
    issueAgain(context, { daysAgo: -30 }),
  ),
  caller(
    'the same made now by the server’s authority (so that the two before mean something)',
    '200',
    (context) => issueAgain(context, { daysAgo: 0 }),
  ),
  caller('a certificate of the authority for another key', nobody, async (context) => {
    const { privateKey } = await makeAuthority({ commonName: 'x', days: 1 })
    const cert = await issueAgain({ ...context, own: { ...context.own, key: privateKey } }, {})
    return { cert: cert.cert, key: privateKey }
  }),
]

cases.push(
  ...['TLSv1.3', 'TLSv1.2'].map((version) => ({
    row: 4,
    name: `${version} session of a client resumed without its certificate`,
    expected: `first 200, then not resumed and ${nobody}`,
    run: async ({ stack, own }) => {
      const first = await speak(stack, version, own)
      const again = await speak(stack, version, { session: first.session })
      return `first ${first.answer}, then ${again.reused ? 'RESUMED' : 'not resumed'} and ${again.answer}`
    },
  })),
  {
    row: 4,
    name: 'disabled client, on a connection that was open before',
    expected: 'ok, then ERR_NOT_AUTHENTICATED, enabled again ok; nothing of it reached Key HSM',
    run: async ({ stack, colleague }) => {
      const { trustee, local } = colleague
      const get = () => codeOf(trustee.get('colleague-deposit'))
      const before = await get()
      await stack.run(`ktadmin client disable ${local.settings.client}`)
      const { result: disabled, untouched } = await watchHsm(stack, get)
      await stack.run(`ktadmin client enable ${local.settings.client}`)
      const after = await get()
      return `${before}, then ${disabled}, enabled again ${after}; ${facts([untouched, 'nothing of it reached Key HSM'])}`
    },
  },
  {
    row: 4,
    name: 'keytrustee get as a disabled client',
    expected: 'exit 77',
    run: async ({ stack, colleague }) => {
      const { client } = colleague.local.settings
      await stack.run(`ktadmin client disable ${client}`)
      const { exit } = await keytrustee(stack, 'get colleague-deposit', { name: 'colleague' })
      await stack.run(`ktadmin client enable ${client}`)
      return `exit ${exit}`
    },
  },
  ...[
    ['of another organisation', 'stranger'],
    ['of another client of the same organisation', 'colleague'],
  ].map(([whose, asker]) => ({
    row: 4,
    name: `deposit ${whose}, by handle and by uuid`,
    expected:
      '404 ERR_NOT_FOUND, the same words as for an absent one, the same queries, Key HSM not asked, deposit unharmed',
    run: (context) => compareForeign(context, asker),
  })),
  {
    row: 4,
    name: 'removing a deposit of another organisation',
    expected: 'ERR_NOT_FOUND, deposit unharmed',
    run: async ({ stranger, client }) => {
      const code = await codeOf(stranger.trustee.remove('victim'))
      return `${code}, ${facts([(await codeOf(client.trustee.get('victim'))) === 'ok', 'deposit unharmed'])}`
    },
  },
  {
    row: 4,
    name: 'a put under the same handle by another organisation makes another deposit',
    expected: 'ok, each gets its own',
    run: async ({ stranger, client }) => {
      const content = Buffer.from('of the stranger')
      const code = await codeOf(stranger.trustee.put({ handle: 'victim', content }))
      const [own, other] = await Promise.all([
        client.trustee.get('victim'),
        stranger.trustee.get('victim'),
      ])
      const apart = own.content.toString() === 'of the victim' && other.content.equals(content)
      return `${code}, ${facts([apart, 'each gets its own'])}`
    },
  },
)

cases.push(
  stranger('no certificate', () => ({})),
  stranger('a client’s certificate', ({ own }) => own),
  stranger('the server certificate of the Trustee Server', ({ serverPair }) => serverPair),
  {
    row: 4,
    name: 'Key HSM’s port: the Trustee Server itself (so that the others mean something)',
    expected: '200',
    run: async ({ stack, keyHsmPair }) =>
      verdictOf(await ask(stack, '/v1/partition', { tls: keyHsmPair, port: stack.ports.keyhsm })),
  },
)

/** One who asks the Trustee Server: how it comes by its certificate, and what must be answered. */
function caller(name, expected, identity) {
  const run = async (context) =>
    verdictOf(await ask(context.stack, self, { tls: await identity(context) }))
  return { row: 4, name: `caller with ${name}`, expected, run }
}

/** One who asks Key HSM itself. */
function stranger(name, identity) {
  const run = async (context) => {
    const { stack } = context
    const tls = identity(context)
    return verdictOf(await ask(stack, '/v1/partition', { tls, port: stack.ports.keyhsm }))
  }
  return { row: 4, name: `Key HSM’s port: caller with ${name}`, expected: 'cut off', run }
}

/** The client's own key and name in a certificate made in this moment, `daysAgo` days after its issue. */
async function issueAgain(context, { authority = context.authority, daysAgo = 0 }) {
  const { own, client } = context
  const publicKey = createPublicKey(createPrivateKey(own.key))
  const cert = await issueClientCertificate({
    authority,
    publicKeyDer: publicKey.export({ type: 'spki', format: 'der' }),
    commonName: 'client',
    uri: `urn:keytrustee:client:${client.local.settings.client}`,
    days: 10,
    now: new Date(Date.now() - daysAgo * 86400_000),
  })
  return { cert, key: own.key }
}

/** One request over a connection of this version: the answer, and what the server gave to resume the session with. */
function speak(stack, version, tls) {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port: stack.ports.trustee,
      rejectUnauthorized: false,
      minVersion: version,
      maxVersion: version,
      ...tls,
    })
    const chunks = []
    let session
    // With TLS 1.3 the session comes after the handshake, in a message of its own.
    socket.on('session', (given) => {
      session = given
    })
    socket.on('secureConnect', () => {
      session ??= socket.getSession()
      socket.write(`GET ${self} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
    })
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => {
      const text = Buffer.concat(chunks).toString()
      const status = /^HTTP\/1.1 (\d+)/.exec(text)?.[1]
      const code = /"code":"(\w+)"/.exec(text)?.[1]
      const answer = [status, code].filter(Boolean).join(' ')
      resolve({ session, reused: socket.isSessionReused(), answer })
    })
  })
}

async function compareForeign({ stack, client, ...context }, asker) {
  const { trustee } = context[asker]
  const { deposit } = await client.trustee.get('victim')
  const absent = 'b5c9f1ce-6bb9-4d43-8b6a-1c9f2ab6a0d1'
  const pairs = [
    ['victim', 'absent'],
    [deposit.uuid, absent],
    [deposit.revisionUuid, absent],
  ]
  await logStatements(stack, true)
  const seen = []
  const before = lastSequence(stack, 'keyhsm')
  for (const refs of pairs)
    for (const ref of refs) seen.push(await statementsOf(stack, () => wordsOf(trustee.get(ref))))
  const untouched = lastSequence(stack, 'keyhsm') === before
  await logStatements(stack, false)
  const words = new Set(seen.map(({ result }) => result))
  const queries = pairs.map((_, index) =>
    seen
      .slice(2 * index, 2 * index + 2)
      .map(({ statements }) => onlyLookups(statements).join('\n')),
  )
  const same = queries.every(([foreign, none]) => foreign === none && foreign !== '')
  const unharmed = (await codeOf(client.trustee.get('victim'))) === 'ok'
  return facts(
    [
      words.size === 1 && [...words][0] === 'ERR_NOT_FOUND there is no such deposit',
      '404 ERR_NOT_FOUND, the same words as for an absent one',
      [...words].join(' / '),
    ],
    [same, 'the same queries', `OTHER QUERIES ${JSON.stringify(queries)}`],
    [untouched, 'Key HSM not asked', 'KEY HSM ASKED'],
    [unharmed, 'deposit unharmed'],
  )
}

/** Without what the server's own rounds ask meanwhile. */
function onlyLookups(statements) {
  return statements.filter(
    (text) =>
      /\b(clients|organisations|deposits|revisions)\b/.test(text) &&
      // The server looks by itself, now and then, for purges that did not end.
      !/ where state = 'purging'$/.test(text),
  )
}

async function wordsOf(promise) {
  return await promise.then(
    () => 'ok',
    (error) => `${error.code} ${error.message}`,
  )
}

async function readContext(stack) {
  const folder = join(stack.home, 'keytrustee')
  const read = (name) => readFileSync(join(folder, name), 'utf8')
  return {
    own: identityOf(stack),
    authority: { certificate: read('.ca/client-ca.pem'), privateKey: read('.ca/client-ca-pk.pem') },
    serverPair: {
      cert: read('.ssl/ssl-cert-keytrustee.pem'),
      key: read('.ssl/ssl-cert-keytrustee-pk.pem'),
    },
    keyHsmPair: {
      cert: read('.ssl/ssl-cert-keytrustee-keyhsm-client.pem'),
      key: read('.ssl/ssl-cert-keytrustee-keyhsm-client-pk.pem'),
    },
  }
}

/** @type {import('./lib/case.mjs').Group} */
export const group = {
  stack: 'shared',
  cases,
  async prepare(stack) {
    await registerClient(stack, 'colleague', { organisation: 'demo', authFile: stack.authFile })
    const added = await stack.run('ktadmin org add other --json', { quiet: true })
    const authFile = join(stack.home, 'auth-other')
    writeFileSync(authFile, JSON.parse(added.stdout).authSecret, { mode: 0o600 })
    await registerClient(stack, 'stranger', { organisation: 'other', authFile })
    const client = await openClient(stack)
    const colleague = await openClient(stack, 'colleague')
    const stranger = await openClient(stack, 'stranger')
    await client.trustee.put({ handle: 'victim', content: Buffer.from('of the victim') })
    const content = Buffer.from('of the colleague')
    await colleague.trustee.put({ handle: 'colleague-deposit', content })
    return { client, colleague, stranger, ...(await readContext(stack)) }
  },
  async restore({ client, colleague, stranger }) {
    for (const { transport } of [client, colleague, stranger]) await transport.destroy()
  },
}
