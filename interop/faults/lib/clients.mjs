/** More clients of a stack, and requests as any program on the network could send them. */
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { noRetry, readLocalClient, Transport, TrusteeClient } from '@keyhsm/client'

/** The first client that `bringUp` registered, or another by the name of its home below the stack's. */
export async function openClient(stack, name) {
  const local = await readLocalClient(join(homeOf(stack, name), 'client'))
  const transport = new Transport({
    url: local.settings.server,
    tls: local.tls,
    connections: 8,
  })
  return { local, transport, trustee: new TrusteeClient(transport, noRetry) }
}

export function homeOf(stack, name) {
  return name === undefined ? stack.home : join(stack.home, name)
}

/** Registers a client with a home of its own; a new organisation is added for it unless it exists. */
export async function registerClient(stack, name, { organisation, authFile }) {
  const fingerprint = await stack.serverFingerprint()
  await stack.run(
    `keytrustee --home ${homeOf(stack, name)} register --server ${stack.url} --org ${organisation} --auth-file ${authFile} --server-fingerprint ${fingerprint} --clientname ${name}`,
  )
}

/** Runs `keytrustee …` as that client; the exit may be any. */
export function keytrustee(stack, args, { name, ...options } = {}) {
  return stack.run(`keytrustee --home ${homeOf(stack, name)} ${args}`, { exit: 'any', ...options })
}

/** The outcome of a promise of the SDK in one word: `ok` or the code. */
export async function codeOf(promise) {
  return await promise.then(
    () => 'ok',
    (error) => String(error.code ?? error.message),
  )
}

/**
 * One HTTPS request without the SDK: `{ status, headers, body }`, or `{ cut: code }` when TLS or the connection failed.
 */
export function ask(stack, path, { method = 'GET', body, tls = {}, port } = {}) {
  return new Promise((resolve) => {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const call = request(
      {
        host: '127.0.0.1',
        port: port ?? stack.ports.trustee,
        path,
        method,
        rejectUnauthorized: false,
        agent: false,
        // Kept until the answer is read: a server that closes while a long body comes cuts its own answer off.
        headers:
          text === undefined
            ? {}
            : { 'content-type': 'application/json', connection: 'keep-alive' },
        ...tls,
      },
      (reply) => {
        const chunks = []
        reply.on('data', (chunk) => chunks.push(chunk))
        reply.on('end', () => {
          const raw = Buffer.concat(chunks).toString()
          resolve({ status: reply.statusCode, headers: reply.headers, body: parse(raw), raw })
          call.destroy()
        })
      },
    )
    call.on('error', (error) => resolve({ cut: error.code ?? error.message }))
    call.end(text)
  })
}

function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Certificate and key of a registered client, as `tls` of {@link ask}. */
export function identityOf(stack, name) {
  const folder = join(homeOf(stack, name), 'client')
  return {
    cert: readFileSync(join(folder, 'client.pem'), 'utf8'),
    key: readFileSync(join(folder, 'client.key'), 'utf8'),
  }
}

/** `status CODE`, or `cut off`. */
export function verdictOf(reply) {
  return reply.cut ? 'cut off' : `${reply.status} ${reply.body?.code ?? ''}`.trim()
}
