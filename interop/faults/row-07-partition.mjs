/** Row 7: library, slot, token or partition are not what was set up. */
import { randomBytes } from 'node:crypto'
import {
  chownSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:net'
import { freePort } from '../lib/ports.mjs'
import { names, softhsmModule } from '../lib/stack.mjs'
import { facts, until } from './lib/case.mjs'
import { ask, codeOf, identityOf, keytrustee, openClient } from './lib/clients.mjs'
import { pidOf } from './lib/processes.mjs'

const nothingStarted = 'nothing half-started'

const cases = [
  refused('library that is not there', {
    set: { 'softhsm.library': '/nowhere/libsofthsm2.so' },
    exit: 78,
    named: '/nowhere/libsofthsm2.so',
  }),
  refused('library that is no PKCS#11 library', {
    set: ({ stack }) => ({ 'softhsm.library': notALibrary(stack) }),
    exit: 78,
    named: 'not-a-library.so',
  }),
  refused('token label that no token has', {
    set: { 'softhsm.token.label': 'nowhere' },
    exit: 69,
    named: '"nowhere"',
  }),
  refused('slot that is not there', {
    set: { 'softhsm.token.label': undefined, 'softhsm.slot': '4711' },
    exit: 69,
    named: 'slot 4711',
  }),
  refused('token with nothing in it', {
    set: { 'softhsm.token.label': 'empty' },
    exit: 69,
    named: 'wrong partition: .*"empty"',
  }),
  refused('token that another Key HSM has set up', {
    set: { 'softhsm.token.label': 'foreign' },
    exit: 69,
    named: 'wrong partition: .*"foreign"',
  }),
  {
    row: 7,
    name: 'keytrustee get meanwhile',
    expected: 'exit 69, unavailable, not irretrievable',
    run: async ({ stack }) => {
      await stack.run('keyhsm stop', { exit: 'any' })
      const result = await keytrustee(stack, 'get before')
      return `exit ${result.exit}, ${unavailableWords(result.stderr)}`
    },
  },
  {
    row: 7,
    name: 'Key HSM forced onto another partition under the same certificate and port',
    expected:
      'get: exit 69, unavailable: wrong partition; 503 ERR_WRONG_PARTITION with Retry-After; put: ERR_WRONG_PARTITION, nothing stored',
    run: async ({ stack, client }) => {
      const settings = readSettings(stack)
      await setUp(stack, 'foreign', '--force')
      await stack.startKeyHsm()
      const get = await keytrustee(stack, 'get before')
      const raw = await ask(stack, '/v1/deposits/before', { tls: identityOf(stack) })
      const put = await codeOf(
        client.trustee.put({ handle: 'meanwhile', content: Buffer.from('x') }),
      )
      const stored = await client.trustee.find('meanwhile')
      await stack.run('keyhsm stop')
      writeFileSync(settingsFile(stack), settings)
      const wrong = facts([
        /unavailable.*wrong partition/.test(get.stderr),
        'unavailable: wrong partition',
        get.stderr,
      ])
      const retry = raw.headers['retry-after'] ? 'with Retry-After' : 'WITHOUT Retry-After'
      return `get: exit ${get.exit}, ${wrong}; ${raw.status} ${raw.body.code} ${retry}; put: ${put}, ${facts([!stored, 'nothing stored'])}`
    },
  },
  {
    row: 7,
    name: 'back on its own partition',
    expected: 'ok',
    run: async ({ stack, client }) => {
      await stack.startKeyHsm()
      return await codeOf(client.trustee.get('before'))
    },
  },
  {
    row: 7,
    name: 'every object of the token taken away while Key HSM runs, ten gets',
    expected: 'ERR_WRONG_PARTITION, put back: ok within 10 s, no irretrievable meanwhile',
    run: async ({ stack, client }) => {
      const { away, back } = objectsOf(stack)
      away()
      const codes = new Set()
      for (let i = 0; i < 10; i++) codes.add(await codeOf(client.trustee.get('before')))
      back()
      const later = new Set()
      const get = async () => {
        const code = await codeOf(client.trustee.get('before'))
        later.add(code)
        return code === 'ok'
      }
      await until(get, { limitMs: 10_000, pauseMs: 100, what: 'the partition' })
      return `${[...codes].join(' or ')}, put back: ok within 10 s, ${facts([!later.has('ERR_IRRETRIEVABLE'), 'no irretrievable meanwhile'])}`
    },
  },
]

/** `start` and `validate` with changed settings, then the settings as they were. */
function refused(name, { set, exit, named }) {
  return {
    row: 7,
    name,
    expected: `start: exit ${exit}, names it, validate: exit ${exit}, names it, ${nothingStarted}`,
    run: async (context) => {
      const { stack } = context
      await stack.run('keyhsm stop', { exit: 'any' })
      const before = readSettings(stack)
      writeFileSync(
        settingsFile(stack),
        changed(before, typeof set === 'function' ? set(context) : set),
      )
      try {
        const seen = []
        for (const verb of ['start', 'validate']) {
          const result = await stack.run(`keyhsm ${verb}`, { exit: 'any' })
          const names = new RegExp(named).test(result.stderr)
          seen.push(`${verb}: exit ${result.exit}, ${facts([names, 'names it', result.stderr])}`)
        }
        const idle = pidOf(stack, 'keyhsm') === undefined && !(await listens(stack.ports.keyhsm))
        return `${seen.join(', ')}, ${facts([idle, nothingStarted, 'SOMETHING RUNS'])}`
      } finally {
        writeFileSync(settingsFile(stack), before)
      }
    },
  }
}

function unavailableWords(text) {
  return facts(
    [/unavailable/.test(text), 'unavailable', text],
    [!/irretrievable/.test(text), 'not irretrievable', 'IRRETRIEVABLE'],
  )
}

function settingsFile(stack) {
  return join(stack.home, 'keyhsm/application.properties')
}

function readSettings(stack) {
  return readFileSync(settingsFile(stack), 'utf8')
}

function changed(text, changes) {
  const kept = text.split('\n').filter((line) => !Object.hasOwn(changes, line.split('=')[0]))
  const added = Object.entries(changes).filter(([, value]) => value !== undefined)
  return [...kept, ...added.map(([name, value]) => `${name}=${value}`), ''].join('\n')
}

function notALibrary(stack) {
  const file = join(stack.home, 'not-a-library.so')
  writeFileSync(file, 'this is text')
  return file
}

function setUp(stack, token, flags = '', { home, ports } = stack) {
  return stack.run(
    `keyhsm --home ${home} setup softhsm --library ${softhsmModule} --token-label ${token} --pin-file ${stack.pinFile} --port ${ports.keyhsm} --management-port ${ports.management} --service-port 0 ${flags}`,
  )
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/** Two more tokens of the same PIN: one stays empty, one is set up by another Key HSM in a home of its own. */
async function makeOtherTokens(stack) {
  for (const label of ['empty', 'foreign']) {
    await stack.run(
      `${stack.asKeyHsm}softhsm2-util --init-token --free --label ${label} --pin "$(cat ${stack.pinFile})" --so-pin ${randomBytes(6).toString('hex')}`,
      { quiet: true },
    )
  }
  const ports = { keyhsm: await freePort(0), management: await freePort(0) }
  await setUp(stack, 'foreign', '', { home: join(stack.home, 'other'), ports })
}

/** The objects of the stack's own token, which can be moved away and back; SoftHSM notices by its generation file. */
function objectsOf(stack) {
  const tokens = join(stack.home, 'tokens')
  const folder = readdirSync(tokens)
    .map((name) => join(tokens, name))
    .find((path) => readFileSync(join(path, 'token.object')).includes(names.token))
  const aside = join(stack.home, 'objects-aside')
  mkdirSync(aside, { recursive: true })
  const { uid, gid } = statSync(folder)
  chownSync(aside, uid, gid)
  const objects = readdirSync(folder).filter(
    (name) => /\.object$/.test(name) && name !== 'token.object',
  )
  const move = (from, to) => {
    for (const name of objects) renameSync(join(from, name), join(to, name))
    const generation = join(folder, 'generation')
    const bytes = readFileSync(generation)
    bytes.writeUInt32BE(bytes.readUInt32BE(bytes.length - 4) + 1, bytes.length - 4)
    writeFileSync(generation, bytes)
  }
  return { away: () => move(folder, aside), back: () => move(aside, folder) }
}

/** @type {import('./lib/case.mjs').Group} */
export const group = {
  stack: 'own',
  cases,
  async prepare(stack) {
    await makeOtherTokens(stack)
    const client = await openClient(stack)
    await client.trustee.put({ handle: 'before', content: stack.secret })
    return { client }
  },
  restore: ({ client }) => client.transport.destroy(),
}
