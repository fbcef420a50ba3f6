#!/usr/bin/env node
/**
 * `npm run reload-loop -- ROUNDS`: reloads Key HSM ROUNDS times while it is asked all the time, directly and through the
 * Trustee Server, by callers who never ask twice. Each round changes something: settings, trust list, the certificate that
 * Key HSM shows, or a settings file or logback.xml that is broken, which must be refused. Ends with `requests N lost 0`; fails on a lost request, a reload that did
 * something else than it should, or another process than at the beginning.
 */
import { createHash, randomBytes } from 'node:crypto'
import { appendFileSync, chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KeyHsmClient, Transport } from '@keyhsm/client'
import { newUuid } from '@keyhsm/core'
import { editSettings, makeSelfSigned } from '@keyhsm/service'
import { runMain, Stop } from '../scripts/lib/say.mjs'
import { Progress } from './lib/progress.mjs'
import { fingerprintOf, Stack } from './lib/stack.mjs'
import { openTrustee } from './lib/trustee.mjs'

const rounds = Number(process.argv[2] ?? 200)
/** Callers that ask Key HSM itself, and callers that ask the Trustee Server. */
const callers = { direct: 4, trustee: 2 }

await runMain(async () => {
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new Stop('reload-loop: ROUNDS must be a number of at least 1', 2)
  }
  const stack = await Stack.create()
  try {
    await stack.bringUp()
    return await reloadLoop(stack)
  } finally {
    await stack.remove()
  }
})

async function reloadLoop(stack) {
  const certificates = await makeCertificates(stack)
  const load = await startLoad(stack, certificates)
  const before = await readStatus(stack)
  const changes = [
    nextCertificate(stack, certificates),
    ...(await prepareChanges(stack)),
    brokenLogging(stack),
  ]
  const wrong = await makeChanges(stack, changes, load).finally(() => load.stop())
  const { requests, lost } = load.state
  const after = await readStatus(stack)
  if (after.pid !== before.pid) wrong.push(`pid ${before.pid} became ${after.pid}`)
  for (const line of [...wrong, ...lost.slice(0, 20)]) console.log(line)
  console.log(`reloads ${rounds}, other than expected ${wrong.length}`)
  console.log(`requests ${requests} lost ${lost.length}`)
  return wrong.length === 0 && lost.length === 0 && requests > rounds ? 0 : 1
}

/** One change and one reload a round, under load. What went otherwise than it should. */
async function makeChanges(stack, changes, load) {
  const progress = new Progress('reload-loop', rounds)
  const wrong = []
  for (let round = 0; round < rounds; round++) {
    const change = changes[round % changes.length]
    const what = await change.make(round)
    const result = await stack.run('keyhsm reload', { exit: 'any', quiet: true })
    const said = result.stdout + result.stderr
    if (result.exit !== change.exit || !change.says.test(said)) {
      wrong.push(`round ${round}, ${change.name}: exit ${result.exit}: ${said.trim()}`)
    }
    if (what) await what.undo()
    progress.step(`requests ${load.state.requests} lost ${load.state.lost.length}`)
  }
  return wrong
}

async function readStatus(stack) {
  return JSON.parse((await stack.run('keyhsm status --json', { quiet: true })).stdout)
}

/** What each round changes, what the reload must answer, and how it is taken back. */
async function prepareChanges(stack) {
  const file = join(stack.home, 'keyhsm/application.properties')
  const original = readFileSync(file, 'utf8')
  const write = (text) => writeFileSync(file, text)
  const stranger = join(stack.home, 'stranger.pem')
  const { certificate } = await makeSelfSigned({
    commonName: 'stranger',
    subjectAltNames: [],
    days: 1,
    usage: 'client',
  })
  writeFileSync(stranger, certificate)
  chmodSync(stranger, 0o644)
  const undo = async () => write(original)
  return [
    {
      name: 'changed settings',
      exit: 0,
      says: /settings: /,
      make: async (round) => {
        write(editSettings(original, { 'keyhsm.open.rate': String(100_000 + round) }))
        return undefined
      },
    },
    {
      name: 'broken settings',
      exit: 2,
      says: /keyhsm\.key\.scope must be one of .*the old state stays in use/,
      make: async () => {
        appendFileSync(file, 'keyhsm.key.scope=none\n')
        return { undo }
      },
    },
    {
      name: 'another trusted certificate',
      exit: 0,
      says: /certificate\(s\) are trusted now|nothing has changed|settings: /,
      make: async () => {
        const added = await stack.run(`keyhsm trust ${stranger} --realm other --json`, {
          quiet: true,
        })
        const { fingerprint } = JSON.parse(added.stdout).trusted
        return {
          undo: async () => {
            await stack.run(`keyhsm trust --remove ${fingerprint}`, { quiet: true })
          },
        }
      },
    },
    { name: 'nothing', exit: 0, says: /./, make: async () => undefined },
  ]
}

function brokenLogging(stack) {
  const file = join(stack.home, 'keyhsm/conf/logback.xml')
  const original = readFileSync(file, 'utf8')
  return {
    name: 'broken logback.xml',
    exit: 2,
    says: /logback\.xml@\d+:\d+ - .*the old state stays in use/s,
    make: async () => {
      writeFileSync(file, original.replace('<rollingPolicy', '<rollingPlan'))
      return { undo: async () => writeFileSync(file, original) }
    },
  }
}

/** The whole roll: announced, learnt by the Trustee Server, shown. Rounds of this kind take turns with two certificates. */
function nextCertificate(stack, certificates) {
  let turn = 0
  return {
    name: 'the next certificate',
    exit: 0,
    says: /nothing has changed/,
    make: async () => {
      const { certificate, key, fingerprint } = certificates[turn++ % certificates.length]
      await stack.run(`keyhsm cert replace --cert ${certificate} --key ${key} --wait 60s`, {
        quiet: true,
        timeoutMs: 90_000,
      })
      const shown = (await readStatus(stack)).certificateFingerprint
      if (shown !== fingerprint) throw new Stop(`reload-loop: ${shown} is shown, not the new one`)
      return undefined
    },
  }
}

async function makeCertificates(stack) {
  const made = []
  for (const name of ['first', 'second']) {
    const pair = await makeSelfSigned({
      commonName: name,
      subjectAltNames: ['127.0.0.1', 'localhost'],
      days: 400,
      usage: 'server',
    })
    const [certificate, key] = [`${name}.pem`, `${name}.key`].map((file) => join(stack.home, file))
    writeFileSync(certificate, pair.certificate)
    writeFileSync(key, pair.privateKey, { mode: 0o600 })
    made.push({ certificate, key, fingerprint: fingerprintOf(certificate) })
  }
  return made
}

async function startLoad(stack, certificates) {
  const state = { ended: false, requests: 0, lost: [] }
  const direct = openKeyHsm(stack, certificates)
  const { trustee, transport } = await openTrustee(stack)
  const { canary } = await direct.client.describe()
  const loops = [
    ...Array.from({ length: callers.direct }, () => sealAndOpen(state, direct.client, canary)),
    ...Array.from({ length: callers.trustee }, (_, index) => putAndGet(state, trustee, index)),
  ]
  return {
    state,
    async stop() {
      state.ended = true
      await Promise.all(loops)
      await direct.transport.destroy()
      await transport.destroy()
    },
  }
}

/** The Trustee Server's own way to Key HSM, without its second attempts; told of each certificate to come. */
function openKeyHsm(stack, certificates) {
  const ssl = (name) => readFileSync(join(stack.home, 'keytrustee/.ssl', name), 'utf8')
  const transport = new Transport({
    url: `https://127.0.0.1:${stack.ports.keyhsm}`,
    tls: {
      ca: [
        ssl('ssl-cert-keyhsm.pem'),
        ...certificates.map(({ certificate }) => readFileSync(certificate, 'utf8')),
      ],
      cert: ssl('ssl-cert-keytrustee-keyhsm-client.pem'),
      key: ssl('ssl-cert-keytrustee-keyhsm-client-pk.pem'),
    },
    connections: callers.direct,
  })
  return { transport, client: new KeyHsmClient(transport) }
}

/** One sealed content, opened again and again; every 50th time anew, because a new key costs the token a write. */
async function sealAndOpen(state, client, canary) {
  let kept
  for (let turn = 0; !state.ended; turn++) {
    if (kept === undefined || turn % 50 === 0) {
      const content = randomBytes(300)
      const context = { organisation: newUuid(), deposit: newUuid(), handle: 'load', revision: 1 }
      const sealed = await count(state, 'seal', () =>
        client.seal({ requestId: newUuid(), context, content, canary }),
      )
      if (sealed) kept = { context, sealed: sealed.sealed, digest: digest(content) }
    }
    if (kept === undefined) continue
    const { context, sealed, digest: expected } = kept
    await count(state, 'open', async () => {
      const content = await client.open({ requestId: newUuid(), context, sealed, canary })
      if (digest(content) !== expected) throw new Error('another content came back')
    })
  }
}

async function putAndGet(state, trustee, index) {
  const handle = `load-${index}`
  const content = randomBytes(200)
  await count(state, 'put', () => trustee.put({ handle, content, condition: 'absent' }))
  while (!state.ended) {
    await count(state, 'get', async () => {
      const back = await trustee.get(handle)
      if (digest(back.content) !== digest(content)) throw new Error('another content came back')
    })
  }
}

async function count(state, name, ask) {
  state.requests += 1
  try {
    return await ask()
  } catch (error) {
    state.lost.push(`lost: ${name}: ${error.code ?? ''} ${error.message}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
    return undefined
  }
}

function digest(bytes) {
  return createHash('sha256').update(bytes).digest('hex')
}
