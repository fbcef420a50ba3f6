#!/usr/bin/env node
/**
 * `npm run trustees`: the transcript of a deposit with 2 of 3 trustees on the whole product, and of what somebody tries who
 * has the database, and then the Trustee Server's own key to Key HSM. Every attempt must fail, and the right way must work.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { KeyHsmClient, Transport } from '@keyhsm/client'
import { newUuid } from '@keyhsm/core'
import { runMain } from '../scripts/lib/say.mjs'
import { literal, sql } from './faults/lib/database.mjs'
import { Stack } from './lib/stack.mjs'

const quiet = process.argv.includes('--quiet')
const counts = { passed: 0, failed: 0 }

await runMain(async () => {
  const stack = await Stack.create({ print: quiet ? undefined : console.log })
  try {
    await stack.bringUp()
    await tell(stack)
    console.log(`${counts.passed} passed, ${counts.failed} failed, 0 skipped`)
    return counts.failed === 0 ? 0 : 1
  } finally {
    await stack.remove()
  }
})

async function tell(stack) {
  const people = await enrolPeople(stack, ['anna', 'bert', 'carl'])
  const trustees = Object.keys(people)
    .map((name) => `--trustee ${name}`)
    .join(' ')
  title('A deposit that needs two of three')
  await stack.run(`printf 'the root key' | keytrustee put vault - ${trustees} --votes 2`)
  await expectExit(stack, 'the owner alone does not get it', 75, 'keytrustee get vault')
  const [request] = JSON.parse((await stack.run('keytrustee requests --json')).stdout)
  title('Nobody approves their own request, and one approval is not enough')
  await expectExit(
    stack,
    'the owner does not approve',
    77,
    `keytrustee approve ${request.uuid} --yes`,
  )
  await expectExit(stack, 'a trustee does not read', 1, as(people.anna, 'keytrustee get vault'))
  await stack.run(as(people.anna, 'keytrustee requests'))
  await stack.run(as(people.anna, `keytrustee approve ${request.uuid} --yes`))
  await expectExit(
    stack,
    'one of two is not enough',
    75,
    `keytrustee get vault --request ${request.uuid}`,
  )
  await attackDatabase(stack, request)
  await attackKeyHsm(stack, request)
  title('The right way')
  const waiting = stack.run(`keytrustee get vault --request ${request.uuid} --wait 60s`)
  await stack.run(as(people.bert, `keytrustee approve ${request.uuid} --yes`))
  check(
    'a waiting client gets it once two have approved',
    (await waiting).stdout === 'the root key',
  )
  await expectExit(
    stack,
    'the approvals are used up',
    77,
    `keytrustee get vault --request ${request.uuid}`,
  )
  await attackReplay(stack, request)
  title('An approval that is withdrawn does not count; two denials of three end a request')
  await expectExit(stack, 'a new retrieval is a new request', 75, 'keytrustee get vault')
  const requests = JSON.parse((await stack.run('keytrustee requests --json')).stdout)
  const next = requests.find(({ uuid }) => uuid !== request.uuid)
  await stack.run(as(people.anna, `keytrustee approve ${next.uuid} --yes`))
  await stack.run(as(people.anna, `keytrustee withdraw ${next.uuid}`))
  await stack.run(as(people.bert, `keytrustee deny ${next.uuid}`))
  const denied = await stack.run(as(people.carl, `keytrustee deny ${next.uuid} --json`))
  check('the request is denied', JSON.parse(denied.stdout).state === 'denied')
  title('What a trustee said does not count once it is disabled')
  await expectExit(stack, 'another retrieval is another request', 75, 'keytrustee get vault')
  const last = JSON.parse((await stack.run('keytrustee requests --json')).stdout).find(
    ({ state }) => state === 'open',
  )
  for (const name of ['anna', 'bert'])
    await stack.run(as(people[name], `keytrustee approve ${last.uuid} --yes`))
  const clients = JSON.parse(
    (await stack.run('ktadmin client list --json', { quiet: true })).stdout,
  )
  const bert = clients.find(({ name }) => name === 'bert').uuid
  await stack.run(`ktadmin client disable ${bert}`)
  await expectExit(stack, 'its approval is gone', 75, `keytrustee get vault --request ${last.uuid}`)
  await stack.run(`ktadmin client enable ${bert}`)
  await expectExit(stack, 'a trustee is no reader', 2, 'keytrustee share vault --with carl')
  title('Changing trustees reseals')
  await stack.run(`printf 'the root key' | keytrustee put vault - --replace --no-trustees`)
  check(
    'without trustees the owner reads alone',
    (await stack.run('keytrustee get vault')).stdout === 'the root key',
  )
}

/** Trustees with homes of their own, whose identity keys the owner pins by fingerprint. */
async function enrolPeople(stack, names) {
  title('Trustees enrol, and the owner pins their identity keys')
  const people = {}
  for (const name of names) {
    const home = join(stack.home, name)
    people[name] = home
    await stack.run(
      as(
        home,
        `keytrustee register --server ${stack.url} --org demo --auth-file ${stack.authFile} --server-fingerprint ${await stack.serverFingerprint()} --clientname ${name}`,
      ),
      { quiet: true },
    )
    const status = await stack.run(as(home, 'keytrustee status --json'), { quiet: true })
    const { identityFingerprint } = JSON.parse(status.stdout)
    await stack.run(`keytrustee pin ${name} --fingerprint ${identityFingerprint}`)
  }
  return people
}

/** Rows written by hand: fewer votes, no trustees, a forged approval, a request marked anew. */
async function attackDatabase(stack, request) {
  title('Somebody writes into the database')
  const attempts = {
    'no policy at all': `update keytrustee.deposits set policy = null where handle = 'vault'`,
    'one vote instead of two': `update keytrustee.deposits set policy = replace(policy, '"required":2', '"required":1') where handle = 'vault'`,
    'a forged approval': `insert into keytrustee.verdicts select ${literal(request.uuid)}, (x->>'client')::uuid, 'approve', ${literal(Buffer.alloc(64, 7).toString('base64'))}, now() from keytrustee.deposits, json_array_elements(policy::json->'trustees'->'trustees') x where handle = 'vault' on conflict do nothing`,
  }
  for (const [what, statement] of Object.entries(attempts)) {
    const before = sql(stack, `select policy from keytrustee.deposits where handle = 'vault'`)
    stack.shell.print(`-- ${statement}`)
    sql(stack, statement)
    const result = await stack.run(`keytrustee get vault --request ${request.uuid}`, {
      exit: 'any',
    })
    check(`${what}: nothing is released`, result.exit !== 0 && result.stdout === '')
    sql(
      stack,
      `update keytrustee.deposits set policy = ${literal(before[0].join('|'))} where handle = 'vault'`,
    )
    sql(
      stack,
      `delete from keytrustee.verdicts where signature = ${literal(Buffer.alloc(64, 7).toString('base64'))}`,
    )
  }
}

/** With the Trustee Server's own key to Key HSM: what its thief would ask. */
async function attackKeyHsm(stack, request) {
  title('Somebody has the Trustee Server’s key and asks Key HSM directly')
  await withKeyHsm(stack, async (calls) => {
    const order = sealedOrder(stack)
    const b64 = (fill, bytes) => Buffer.alloc(bytes, fill).toString('base64')
    const [row] = sql(
      stack,
      `select client, client_key, client_signature, to_char(expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') from keytrustee.retrieval_requests where uuid = ${literal(request.uuid)}`,
    )
    const [client, clientKey, clientSignature, expiresAt] = row
    const [real] = sql(stack, `select signature from keytrustee.verdicts where verdict = 'approve'`)
    const keys = headerKeys(stack)
    const asked = { request: request.uuid, client, clientKey, clientSignature, expiresAt }
    const forged = keys.map((key) => ({ key, signature: b64(7, 64) }))
    const genuine = keys.map((key) => ({ key, signature: real[0] }))
    const attempts = {
      'without approvals': undefined,
      'with forged approvals': { ...asked, approvals: forged },
      'with one genuine approval under every key': { ...asked, approvals: genuine },
      'with it for another request': { ...asked, request: newUuid(), approvals: genuine },
      'with it and a later end': {
        ...asked,
        expiresAt: new Date(Date.now() + 86400_000).toISOString(),
        approvals: genuine,
      },
    }
    for (const [what, approval] of Object.entries(attempts)) {
      const answer = await calls.open({ ...order, ...(approval ? { approval } : {}) }).then(
        () => 'released',
        (error) => `${error.code}: ${error.message}`,
      )
      stack.shell.print(`  POST /v1/open ${what}: ${answer}`)
      check(`${what}: Key HSM refuses`, answer.startsWith('ERR_NOT_ALLOWED'))
    }
    const without = stripTrustees(order.sealed)
    const answer = await calls.open({ ...order, sealed: without }).then(
      () => 'released',
      (error) => error.code,
    )
    stack.shell.print(`  POST /v1/open with the trustees cut out of the header: ${answer}`)
    check('with the trustees cut out of the header: irretrievable', answer === 'ERR_IRRETRIEVABLE')
  })
}

/** Everything of the used request once more, straight to Key HSM. */
async function attackReplay(stack, request) {
  title('Somebody replays the used approvals to Key HSM')
  await withKeyHsm(stack, async (calls) => {
    const [[client, clientKey, clientSignature, expiresAt]] = sql(
      stack,
      `select client, client_key, client_signature, to_char(expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') from keytrustee.retrieval_requests where uuid = ${literal(request.uuid)}`,
    )
    const approvals = sql(
      stack,
      `select x->>'key', v.signature from keytrustee.verdicts v join keytrustee.retrieval_requests r on r.uuid = v.request join keytrustee.deposits d on d.uuid = r.deposit, json_array_elements(d.policy::json->'trustees'->'trustees') x where r.uuid = ${literal(request.uuid)} and x->>'client' = v.trustee::text`,
    ).map(([key, signature]) => ({ key, signature }))
    const approval = {
      request: request.uuid,
      client,
      clientKey,
      clientSignature,
      expiresAt,
      approvals,
    }
    const answer = await calls.open({ ...sealedOrder(stack), approval }).then(
      () => 'released',
      (error) => `${error.code}: ${error.message}`,
    )
    stack.shell.print(`  POST /v1/open: ${answer}`)
    check('a replay is refused', approvals.length === 2 && answer.includes('were used'))
  })
}

async function withKeyHsm(stack, work) {
  const ssl = join(stack.home, 'keytrustee/.ssl')
  const transport = new Transport({
    url: `https://127.0.0.1:${stack.ports.keyhsm}`,
    tls: {
      ca: [readFileSync(join(ssl, 'ssl-cert-keyhsm.pem'), 'utf8')],
      cert: readFileSync(join(ssl, 'ssl-cert-keytrustee-keyhsm-client.pem'), 'utf8'),
      key: readFileSync(join(ssl, 'ssl-cert-keytrustee-keyhsm-client-pk.pem'), 'utf8'),
    },
  })
  try {
    await work(new KeyHsmClient(transport))
  } finally {
    await transport.close()
  }
}

function sealedOrder(stack) {
  const [[organisation, deposit, stored]] = sql(
    stack,
    `select d.organisation, d.uuid, encode(r.stored, 'hex') from keytrustee.deposits d join keytrustee.revisions r on r.deposit = d.uuid and r.revision = d.revision where d.handle = 'vault'`,
  )
  const { canary } = JSON.parse(readFileSync(join(stack.home, 'keytrustee/join.json'), 'utf8'))
  const context = { organisation, deposit, handle: 'vault', revision: 1 }
  return { requestId: newUuid(), context, canary, sealed: Buffer.from(stored, 'hex') }
}

function headerKeys(stack) {
  const { sealed } = sealedOrder(stack)
  const at = trusteesAt(sealed)
  return [0, 1, 2].map((index) =>
    sealed.subarray(at + 2 + 32 * index, at + 34 + 32 * index).toString('base64'),
  )
}

/** Where `trustees required` stands. @see docs/formats/sealed-deposit.md */
function trusteesAt(sealed) {
  const realm = 9
  const label = realm + 1 + sealed[realm] + 16 + 16 + 16 + 32
  return label + 1 + sealed[label]
}

function stripTrustees(sealed) {
  const at = trusteesAt(sealed)
  return Buffer.concat([sealed.subarray(0, at), Buffer.from([0, 0]), sealed.subarray(at + 2 + 96)])
}

function as(home, command) {
  return `KEYHSM_HOME=${home} ${command}`
}

function title(text) {
  if (!quiet) console.log(`\n# ${text}`)
}

async function expectExit(stack, what, exit, command) {
  const result = await stack.run(command, { exit: 'any' })
  check(`${what} (exit ${exit})`, result.exit === exit && result.stdoutBytes?.length !== undefined)
}

function check(what, held) {
  counts[held ? 'passed' : 'failed'] += 1
  console.log(`${held ? 'passed' : 'FAILED'}  ${what}`)
}
