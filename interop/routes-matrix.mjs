#!/usr/bin/env node
/**
 * `npm run routes:matrix`: every identity against every route of the route tables, on a running product. What is expected
 * follows from the route's `access` alone: a route grants exactly the identities it names, on the port where it is served,
 * and nobody anything elsewhere. Granted means: the answer is not about who asks.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { join } from 'node:path'
import {
  keyHsmAdminRoutes,
  keyHsmRoutes,
  signRequest,
  trusteeAdminRoutes,
  trusteePages,
  trusteeRoutes,
} from '@keyhsm/protocol'
import { issueClientCertificate, makeAuthority, makeSelfSigned } from '@keyhsm/service'
import { newUuid } from '@keyhsm/core'
import { runMain } from '../scripts/lib/say.mjs'
import { root } from '../scripts/lib/sources.mjs'
import { Stack } from './lib/stack.mjs'

const verbose = process.argv.includes('--verbose')
const counts = { cells: 0, wrong: 0 }

await runMain(async () => {
  const stack = await Stack.create()
  try {
    await stack.bringUp()
    // Before the ports: the last cell of the last one stops Key HSM.
    const example = await stack.run(
      `${process.execPath} ${root}/packages/client/examples/ten-lines.mjs`,
    )
    const works = example.stdout.includes('sdk-example, revision 1: a secret')
    for (const port of await ports(stack)) await tryPort(port)
    console.log(`SDK example: ${works ? 'works' : `FAILED ${example.stdout}${example.stderr}`}`)
    console.log(`cells ${counts.cells}, wrong ${counts.wrong}`)
    return counts.wrong === 0 && works ? 0 : 1
  } finally {
    await stack.remove()
  }
})

async function ports(stack) {
  const trustee = { host: '127.0.0.1', port: stack.ports.trustee }
  const keyhsm = { host: '127.0.0.1', port: stack.ports.keyhsm }
  const socketPath = join(stack.home, 'keytrustee/run/control.sock')
  const management = { host: '127.0.0.1', port: stack.ports.management }
  const trusteeAll = [...trusteeRoutes, ...trusteePages, ...trusteeAdminRoutes]
  const keyHsmAll = [...keyHsmRoutes, ...keyHsmAdminRoutes.filter((route) => !isStop(route))]
  return [
    {
      name: 'clients’ port',
      identities: await clientIdentities(stack),
      routes: trusteeAll,
      served: namesOf([...trusteeRoutes, ...trusteePages]),
      grants: 'client',
      send: (route, identity) => ask(https, { ...trustee, ...tlsOf(identity) }, route),
    },
    {
      name: 'control socket',
      identities: administrators(join(stack.home, 'keytrustee/admin')),
      routes: trusteeAll,
      served: namesOf(trusteeAdminRoutes),
      grants: 'administrator',
      send: (route, identity) => ask(http, { socketPath }, route, identity.sign),
    },
    {
      name: 'Key HSM',
      identities: await serviceIdentities(stack),
      routes: keyHsmAll,
      served: namesOf(keyHsmRoutes),
      grants: 'service',
      send: (route, identity) => ask(https, { ...keyhsm, ...tlsOf(identity) }, route),
    },
    {
      name: 'Key HSM’s management port',
      identities: administrators(join(stack.home, 'keyhsm/admin')),
      routes: [...keyHsmAll, ...keyHsmAdminRoutes.filter(isStop)],
      served: namesOf(keyHsmAdminRoutes),
      grants: 'administrator',
      send: (route, identity) => ask(http, management, route, identity.sign),
    },
  ]
}

/** What stops the service that is asked: tried last, where it is served. */
function isStop({ path }) {
  return path === '/v1/stop'
}

function namesOf(routes) {
  return new Set(routes.map(nameOf))
}

function nameOf({ method, path }) {
  return `${method} ${path}`
}

async function tryPort({ name, identities, routes, served, grants, send }) {
  for (const identity of identities) {
    for (const route of routes) {
      const answer = await send(route, identity)
      const expected = expectedOf(route, identity, { served, grants })
      const seen = seenOf(answer)
      counts.cells += 1
      const right = expected.includes(seen)
      if (!right) counts.wrong += 1
      if (!right || verbose)
        console.log(
          `${right ? 'right' : 'WRONG'}  ${name}, ${identity.name}: ${route.method} ${route.path} → ${answer.status} (${seen}), expected ${expected.join(' or ')}`,
        )
    }
    console.log(`${name}, ${identity.name}: ${routes.length} routes`)
  }
}

/** `granted`: the handler or the schema answered. `closed`: no connection for this identity at all. */
function expectedOf(route, identity, { served, grants }) {
  if (identity.closed) return ['closed']
  if (!served.has(nameOf(route))) return ['absent']
  if (route.access === 'anyone') return ['granted']
  if (route.access !== grants) return ['absent']
  return [identity.known ? 'granted' : 'refused']
}

function seenOf({ status, code, detail }) {
  if (status === 0) return 'closed'
  if (status === 401) return 'refused'
  if (status === 404 && detail === 'there is nothing at this path') return 'absent'
  if (status === 405 && code === 'ERR_INVALID_INPUT') return 'absent'
  if (status === 403 && code === 'ERR_NOT_AUTHENTICATED') return 'refused'
  return status >= 500 && code === 'ERR_INTERNAL' ? 'broken' : 'granted'
}

async function clientIdentities(stack) {
  const client = readPair(join(stack.home, 'client'), 'client.pem', 'client.key')
  const disabled = await enrolOther(stack, 'disabled', 'demo')
  await stack.run(`ktadmin client disable ${disabled.uuid}`)
  await stack.addOrganisation('paused')
  const suspended = await enrolOther(stack, 'suspended', 'paused')
  await stack.run('ktadmin org disable paused')
  const publicKeyDer = createPublicKey(client.key).export({ type: 'spki', format: 'der' })
  const uri = `urn:keytrustee:client:${client.uuid}`
  const common = { publicKeyDer, commonName: 'client', uri, days: 1 }
  const authority = await makeAuthority({ commonName: 'Key Trustee client authority', days: 2 })
  const own = {
    certificate: readFileSync(join(stack.home, 'keytrustee/.ca/client-ca.pem'), 'utf8'),
    privateKey: readFileSync(join(stack.home, 'keytrustee/.ca/client-ca-pk.pem'), 'utf8'),
  }
  const past = new Date(Date.now() - 10 * 86400_000)
  const nobody = newUuid()
  const self = await makeSelfSigned({
    commonName: 'x',
    subjectAltNames: [],
    days: 1,
    usage: 'client',
  })
  const issue = async (name, order) => ({
    name,
    cert: await issueClientCertificate({ ...common, ...order }),
    key: client.key,
  })
  return [
    { name: 'nobody' },
    { name: 'self-signed', cert: self.certificate, key: self.privateKey },
    await issue('another authority’s', { authority }),
    await issue('expired', { authority: own, now: past }),
    await issue('a client that is not in the database', {
      authority: own,
      uri: `urn:keytrustee:client:${nobody}`,
    }),
    { name: 'a disabled client', ...disabled },
    { name: 'a client of a suspended organisation', ...suspended },
    { name: 'the Trustee Server’s own pair', ...servicePair(stack) },
    { name: 'an active client', known: true, cert: client.cert, key: client.key },
  ]
}

function administrators(folder) {
  const file = readdirSync(folder).find((name) => name.endsWith('.key'))
  const name = file.replace(/\.key$/, '')
  const key = { name, privateKey: createPrivateKey(readFileSync(join(folder, file))) }
  const { privateKey } = generateKeyPairSync('ed25519')
  return [
    { name: 'nobody' },
    { name: 'a stranger’s key', sign: (request) => signRequest({ ...key, privateKey }, request) },
    {
      name: 'an unknown name',
      sign: (request) => signRequest({ ...key, name: 'mallory' }, request),
    },
    {
      name: 'an old signature',
      sign: (request) => signRequest(key, { ...request, now: new Date(Date.now() - 120_000) }),
    },
    {
      name: 'a signature for another path',
      sign: (request) => signRequest(key, { ...request, path: '/v1/admin/other' }),
    },
    {
      name: 'an administrator',
      known: true,
      sign: (request) => signRequest(key, request),
    },
  ]
}

async function serviceIdentities(stack) {
  const client = readPair(join(stack.home, 'client'), 'client.pem', 'client.key')
  const self = await makeSelfSigned({
    commonName: 'x',
    subjectAltNames: [],
    days: 1,
    usage: 'client',
  })
  return [
    { name: 'nobody', closed: true },
    { name: 'self-signed', closed: true, cert: self.certificate, key: self.privateKey },
    { name: 'a client of the Trustee Server', closed: true, cert: client.cert, key: client.key },
    { name: 'the trusted Trustee Server', known: true, ...servicePair(stack) },
  ]
}

function servicePair(stack) {
  const ssl = join(stack.home, 'keytrustee/.ssl')
  return readPair(
    ssl,
    'ssl-cert-keytrustee-keyhsm-client.pem',
    'ssl-cert-keytrustee-keyhsm-client-pk.pem',
  )
}

async function enrolOther(stack, name, organisation) {
  const home = join(stack.home, name)
  await stack.run(
    `KEYHSM_HOME=${home} keytrustee register --server ${stack.url} --org ${organisation} --auth-file ${stack.authFile} --server-fingerprint ${await stack.serverFingerprint()} --clientname ${name}`,
  )
  return readPair(join(home, 'client'), 'client.pem', 'client.key')
}

function readPair(folder, certFile, keyFile) {
  const read = (name) => readFileSync(join(folder, name), 'utf8')
  const settings = certFile === 'client.pem' ? JSON.parse(read('client.json')) : {}
  return { cert: read(certFile), key: read(keyFile), uuid: settings.client }
}

function tlsOf({ cert, key }) {
  return {
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    agent: false,
    ...(cert ? { cert, key } : {}),
  }
}

/** One request; status 0 when the connection was closed instead of an answer. */
function ask(module, where, { method, path }, sign) {
  const place = path.replace(':uuid', newUuid()).replace(/:\w+/g, 'x')
  const takesBody = method === 'POST' || method === 'PUT'
  const body = takesBody ? '{}' : ''
  const signable = { method, path: place, body: Buffer.from(body), now: new Date() }
  const headers = {
    ...(takesBody ? { 'content-type': 'application/json', 'content-length': body.length } : {}),
    ...(sign ? sign(signable) : {}),
  }
  return new Promise((resolve) => {
    const call = module.request(
      { ...where, method, path: place, headers, timeout: 30_000 },
      (reply) => {
        const parts = []
        reply.on('data', (part) => parts.push(part))
        reply.on('end', () => resolve({ status: reply.statusCode, ...parse(Buffer.concat(parts)) }))
      },
    )
    call.on('error', () => resolve({ status: 0 }))
    call.on('timeout', () => call.destroy())
    call.end(body)
  })
}

function parse(bytes) {
  try {
    const { code, detail } = JSON.parse(bytes.toString())
    return { code, detail }
  } catch {
    return {}
  }
}
