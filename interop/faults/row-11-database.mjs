/**
 * Row 11: a database administrator changes rows. Each case is done to a deposit whose client sealed it and to one that was
 * put with --no-seal; the tables are put back after each.
 */
import { spawnSync } from 'node:child_process'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { issueClientCertificate, publicKeyFingerprint } from '@keyhsm/service'
import { X509Certificate } from 'node:crypto'
import { entriesAfter, lastSequence } from './lib/audit.mjs'
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
import { literal, sql } from './lib/database.mjs'
import { forgeSealed, readAuthSecret, readSealedHeader } from './lib/forge.mjs'

const handles = { sealed: 'sealed-by-the-client', plain: 'put-with-no-seal' }
const both = Object.values(handles)
const tables = ['organisations', 'clients', 'deposits', 'revisions']

const notOpened = 'ERR_IRRETRIEVABLE, Key HSM’s audit says integrity'
const notGranted = 'ERR_NOT_FOUND, the Trustee Server’s audit says integrity, Key HSM not asked'
const nobody =
  '401 ERR_NOT_AUTHENTICATED, the Trustee Server’s audit says integrity, Key HSM not asked'

/** Cases in which stored bytes are wrong: nothing opens. */
const opened = [
  tamper('one byte changed, at twelve places from the first to the last', {
    expected: notOpened,
    attempts: ({ stored }, handle) =>
      places(stored[handle].length).map((place) => () => changeByte(handle, place)),
  }),
  tamper('one byte appended', {
    expected: notOpened,
    change: (_, handle) => `update revisions set stored = stored || '\\x00' ${where(handle)}`,
  }),
  tamper('cut short by one byte', {
    expected: notOpened,
    change: (_, handle) =>
      `update revisions set stored = substring(stored from 1 for length(stored) - 1) ${where(handle)}`,
  }),
  tamper('sealed bytes of two deposits swapped', {
    expected: notOpened,
    change: ({ stored }) =>
      both.map((handle, i) => setStored(handle, stored[both[1 - i]])).join('; '),
  }),
  tamper('bytes of an earlier revision put back', {
    expected: notOpened,
    change: ({ earlier }, handle) => setStored(handle, earlier[handle]),
  }),
  tamper('forged from the HSM’s public key with the right header and context', {
    expected: notOpened,
    change: async (context, handle) => setStored(handle, await forge(context, handle)),
  }),
  tamper('the same made with K_auth from the HSM (so that the one before means something)', {
    expected: 'ok, Key HSM’s audit says nothing of integrity',
    change: async (context, handle) => {
      const { authKeyId } = readSealedHeader(context.stored[handle])
      const authSecret = readAuthSecret(context.stack, authKeyId)
      return setStored(handle, await forge(context, handle, authSecret))
    },
  }),
]

/** Cases in which a row that grants is wrong: nothing is granted, and Key HSM is not even asked. */
const granted = [
  tamper('row copied to another organisation', {
    expected: notGranted,
    as: 'stranger',
    change: (context, handle) => copyTo(context, handle),
  }),
  tamper('owner and organisation of the row changed to another client’s', {
    expected: notGranted,
    as: 'stranger',
    change: ({ ids }, handle) =>
      `update deposits set owner = '${ids.stranger}', organisation = '${ids.other}' where handle = ${literal(handle)}`,
  }),
  tamper('handle changed', {
    expected: notGranted,
    ref: 'renamed',
    change: (_, handle) =>
      `update deposits set handle = 'renamed' where handle = ${literal(handle)}`,
  }),
  tamper('revision of the deposit set back', {
    expected: notGranted,
    change: (_, handle) => `update deposits set revision = 1 where handle = ${literal(handle)}`,
  }),
  tamper('earlier revision shown as the newest', {
    expected: notGranted,
    change: (_, handle) =>
      `delete from revisions ${where(handle, 2)}; update revisions set revision = 2 ${where(handle, 1)}`,
  }),
  tamper('row marked as stored without sealing, with content of the administrator’s', {
    expected: 'ERR_NOT_FOUND, the Trustee Server’s audit says integrity, Key HSM not asked',
    change: (_, handle) =>
      `update revisions set sealing = 'pass-through', hsm_key_id = null, hsm_key_label = null, stored = 'of the administrator' ${where(handle)}`,
  }),
  tamper('removed deposit made active again', {
    expected: notGranted,
    before: ({ trustee }, handle) => trustee.remove(handle),
    change: (_, handle) =>
      `update deposits set state = 'active', undelete_until = null where handle = ${literal(handle)}`,
  }),
]

/** Cases in which a client's or an organisation's row is wrong: the caller is nobody. */
const admitted = [
  intruder('client row inserted, certificate of the authority at hand', {
    change: ({ ids, intruderFingerprint }) =>
      `insert into clients select '${ids.intruder}', organisation, 'intruder', 'active', '${intruderFingerprint}', identity_key, recipient, created_at, grant_mac from clients where uuid = '${ids.client}'`,
    identity: ({ intruderIdentity }) => intruderIdentity,
  }),
  intruder('disabled client made active', {
    before: ({ stack, ids }) => stack.run(`ktadmin client disable ${ids.stranger}`),
    change: ({ ids }) => `update clients set state = 'active' where uuid = '${ids.stranger}'`,
  }),
  intruder('client moved to another organisation', {
    change: ({ ids }) =>
      `update clients set organisation = '${ids.demo}' where uuid = '${ids.stranger}'`,
  }),
  intruder('client renamed', {
    change: ({ ids }) => `update clients set name = 'renamed' where uuid = '${ids.stranger}'`,
  }),
  intruder('suspended organisation made active', {
    before: ({ stack }) => stack.run('ktadmin org disable other'),
    change: ({ ids }) => `update organisations set state = 'active' where uuid = '${ids.other}'`,
  }),
  intruder('organisation renamed', {
    change: ({ ids }) => `update organisations set name = 'another' where uuid = '${ids.other}'`,
  }),
  {
    row: 11,
    name: 'enrolment secret of an organisation replaced by that of another, newcomer registers',
    expected: 'exit 77, the Trustee Server’s audit says integrity, no client more',
    run: async (context) => {
      const { stack } = context
      const clients = () => Number(sql(stack, 'select count(*) from keytrustee.clients')[0][0])
      const sequence = lastSequence(stack, 'keytrustee')
      const before = clients()
      await change(
        context,
        `update organisations set auth_hash = (select auth_hash from organisations where name = 'other') where name = 'demo'`,
      )
      const result = await keytrustee(
        stack,
        `register --server ${stack.url} --org demo --auth-file auth-other --server-fingerprint ${await stack.serverFingerprint()} --clientname newcomer`,
        { name: 'newcomer' },
      )
      const more = clients() - before
      restoreTables(stack)
      return `exit ${result.exit}, ${auditWords(stack, 'keytrustee', sequence)}, ${more === 0 ? 'no client more' : `${more} CLIENTS MORE`}`
    },
  },
]

const cases = [
  ...opened,
  ...granted,
  ...admitted,
  {
    row: 11,
    name: 'stored bytes searched for content, and the rows put back',
    expected: 'content not in them, both deposits open again',
    run: async ({ stack, client, contents }) => {
      const rows = sql(stack, `select encode(stored, 'hex') from keytrustee.revisions`)
      const needle = Buffer.from(contents.plain).toString('hex')
      const codes = await Promise.all(both.map((handle) => codeOf(client.trustee.get(handle))))
      return facts(
        [!rows.some(([hex]) => hex.includes(needle)), 'content not in them'],
        [codes.every((code) => code === 'ok'), 'both deposits open again', codes.join(' ')],
      )
    },
  },
]

/** A change to the row of each of the two deposits, and what the owner (or `as`) then gets. */
function tamper(name, { expected, change: changeOf, attempts, as = 'client', ref, before }) {
  return {
    row: 11,
    name,
    expected,
    run: async (context) => {
      const { trustee } = context[as]
      const asksHsm = expected !== notGranted
      const seen = new Set()
      for (const handle of both) {
        await before?.(context[as], handle)
        const makers = attempts?.(context, handle) ?? [() => changeOf(context, handle)]
        for (const make of makers) {
          try {
            await change(context, await make())
            seen.add(await getAndRead(context, trustee, { ref: ref ?? handle, asksHsm }))
          } finally {
            restoreTables(context.stack)
          }
        }
      }
      return [...seen].join(' / ')
    },
  }
}

/** What a get answers and which audit says what. */
async function getAndRead({ stack }, trustee, { ref, asksHsm }) {
  const before = {
    keyhsm: lastSequence(stack, 'keyhsm'),
    keytrustee: lastSequence(stack, 'keytrustee'),
  }
  const code = await codeOf(trustee.get(ref))
  if (asksHsm) return `${code}, ${auditWords(stack, 'keyhsm', before.keyhsm)}`
  const untouched = lastSequence(stack, 'keyhsm') === before.keyhsm
  return `${code}, ${auditWords(stack, 'keytrustee', before.keytrustee)}, ${facts([untouched, 'Key HSM not asked', 'KEY HSM ASKED'])}`
}

/** A change to a client's or organisation's row, and what that client then gets of its own deposit. */
function intruder(name, { change: changeOf, identity, before }) {
  return {
    row: 11,
    name,
    expected: nobody,
    run: async (context) => {
      const { stack } = context
      await before?.(context)
      await change(context, changeOf(context))
      const sequences = ['keyhsm', 'keytrustee'].map((service) => lastSequence(stack, service))
      const tls = identity?.(context) ?? identityOf(stack, 'stranger')
      const reply = await ask(stack, `/v1/deposits/${handles.plain}`, { tls })
      const untouched = lastSequence(stack, 'keyhsm') === sequences[0]
      restoreTables(stack)
      return `${verdictOf(reply)}, ${auditWords(stack, 'keytrustee', sequences[1])}, ${facts([untouched, 'Key HSM not asked', 'KEY HSM ASKED'])}`
    },
  }
}

const owners = { keyhsm: 'Key HSM', keytrustee: 'the Trustee Server' }

function auditWords(stack, service, sequence) {
  const outcomes = entriesAfter(stack, service, sequence).map(({ outcome }) => outcome)
  const says = outcomes.includes('integrity') ? 'integrity' : 'nothing of integrity'
  return `${owners[service]}’s audit says ${says}`
}

async function change({ stack }, statements) {
  sql(stack, `set search_path = keytrustee; set session_replication_role = replica; ${statements}`)
}

function restoreTables(stack) {
  const each = tables.map(
    (table) => `delete from ${table}; insert into ${table} select * from copies.${table};`,
  )
  sql(
    stack,
    `begin; set search_path = keytrustee; set session_replication_role = replica; ${each.join(' ')} commit`,
  )
}

function copyTables(stack) {
  const each = tables.map((table) => `create table copies.${table} as table keytrustee.${table};`)
  sql(stack, `create schema copies; ${each.join(' ')}`)
}

function where(handle, revision = 2) {
  return `where deposit = (select uuid from deposits where handle = ${literal(handle)}) and revision = ${revision}`
}

function setStored(handle, bytes) {
  return `update revisions set stored = '\\x${bytes.toString('hex')}' ${where(handle)}`
}

function changeByte(handle, place) {
  return `update revisions set stored = set_byte(stored, ${place}, get_byte(stored, ${place}) # 1) ${where(handle)}`
}

/** Magic, header, wrapped key, nonce, content and tag are all hit. */
function places(length) {
  return Array.from({ length: 12 }, (_, i) => Math.round((i * (length - 1)) / 11))
}

/** Deposit and revisions once more, for the stranger: all columns as they are, with their grant. */
function copyTo({ ids }, handle) {
  const columns = 'handle, state, revision, created_at, updated_at, undelete_until, grant_mac'
  const sealed =
    'revision, sealing, content_bytes, hsm_key_id, hsm_key_label, scope, kind, created_at, stored'
  return `insert into revisions select gen_random_uuid(), '${ids.copy}', ${sealed} from revisions ${where(handle)};
    insert into deposits select '${ids.copy}', '${ids.other}', '${ids.stranger}', ${columns} from deposits where handle = ${literal(handle)}`
}

async function forge({ stack, stored, ids, deposits }, handle, authSecret) {
  const context = { organisation: ids.demo, deposit: deposits[handle], handle, revision: 2 }
  const content = Buffer.from('of the forger')
  return await forgeSealed(stack, { genuine: stored[handle], context, content, authSecret })
}

function storedOf(stack, handle, revision) {
  const [[hex]] = sql(
    stack,
    `set search_path = keytrustee; select encode(stored, 'hex') from revisions ${where(handle, revision)}`,
  )
  return Buffer.from(hex, 'hex')
}

async function putBoth(stack) {
  const contents = {}
  for (const revision of [1, 2]) {
    for (const [kind, handle] of Object.entries(handles)) {
      contents[kind] = `content ${revision} of ${kind}`
      writeFileSync(join(stack.home, 'row-11'), contents[kind])
      const flags = `${kind === 'plain' ? '--no-seal' : ''} ${revision === 2 ? '--replace' : ''}`
      await keytrustee(stack, `put ${handle} row-11 ${flags}`, { exit: 0 })
    }
  }
  return contents
}

/** A certificate of the server's own authority for a client that was never enrolled: the worst case. */
async function makeIntruder(stack, uuid) {
  const read = (name) => readFileSync(join(stack.home, 'keytrustee/.ca', name), 'utf8')
  const key = spawnSync(
    'openssl',
    ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
    {
      encoding: 'utf8',
    },
  ).stdout
  const publicKey = createPublicKey(createPrivateKey(key))
  const cert = await issueClientCertificate({
    authority: { certificate: read('client-ca.pem'), privateKey: read('client-ca-pk.pem') },
    publicKeyDer: publicKey.export({ type: 'spki', format: 'der' }),
    commonName: 'intruder',
    uri: `urn:keytrustee:client:${uuid}`,
    days: 10,
  })
  return { identity: { cert, key }, fingerprint: publicKeyFingerprint(new X509Certificate(cert)) }
}

/** @type {import('./lib/case.mjs').Group} */
export const group = {
  stack: 'own',
  cases,
  async prepare(stack) {
    const added = await stack.run('ktadmin org add other --json', { quiet: true })
    const authFile = join(stack.home, 'auth-other')
    writeFileSync(authFile, JSON.parse(added.stdout).authSecret, { mode: 0o600 })
    await registerClient(stack, 'stranger', { organisation: 'other', authFile })
    const contents = await putBoth(stack)
    copyTables(stack)
    const client = await openClient(stack)
    const stranger = await openClient(stack, 'stranger')
    const ids = {
      demo: client.local.settings.organisation,
      other: stranger.local.settings.organisation,
      client: client.local.settings.client,
      stranger: stranger.local.settings.client,
      intruder: '3d4a44de-9d1c-4a8c-8a44-5f0a4d6bb1a1',
      copy: '0c8b0c2e-6a5e-4f43-9d4e-2f3c6f2f6a10',
    }
    const made = await makeIntruder(stack, ids.intruder)
    const perHandle = (read) => Object.fromEntries(both.map((handle) => [handle, read(handle)]))
    const found = await Promise.all(both.map((handle) => client.trustee.get(handle)))
    return {
      client,
      stranger,
      ids,
      contents,
      intruderIdentity: made.identity,
      intruderFingerprint: made.fingerprint,
      deposits: perHandle((handle) => found[both.indexOf(handle)].deposit.uuid),
      stored: perHandle((handle) => storedOf(stack, handle, 2)),
      earlier: perHandle((handle) => storedOf(stack, handle, 1)),
    }
  },
  async restore({ client, stranger }) {
    for (const { transport } of [client, stranger]) await transport.destroy()
  },
}
