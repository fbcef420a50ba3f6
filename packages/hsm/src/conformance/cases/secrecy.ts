/** The login, and what can be read in errors. */
import { randomBytes } from 'node:crypto'
import { DomainError, type HsmKeyId } from '@keyhsm/core'
import type { Hsm } from '../../hsm.js'
import type { CaseContext } from '../case-context.js'
import type { ConformanceCase } from '../conformance-case.js'
import { ensure, ensureEqual } from '../failure.js'

const binding = Buffer.from('header and context')

export const secrecyCases: readonly ConformanceCase[] = [
  {
    name: 'a wrong PIN is tried once and latches',
    needs: ['wrongPin'],
    run: wrongPin,
  },
  { name: 'nothing secret stands in errors, health or the connection', run: nothingSecret },
]

async function wrongPin(context: CaseContext): Promise<void> {
  const attempt = await context.underTest.wrongPin?.()
  ensure(attempt !== undefined, 'no way to give a wrong PIN')
  const connecting = attempt.connect()
  const hsm = await connecting.catch(() => undefined)
  if (!hsm) await context.expectError(connecting, 'ERR_HSM_LOGIN', 'connect with a wrong PIN')
  if (hsm) await ensureLatched(context, hsm)
  await hsm?.close()
  ensureEqual(await attempt.loginAttempts(), 1, 'logins that the device has seen')
}

/** Whatever is asked, and however often, the refused login is the answer. */
async function ensureLatched(context: CaseContext, hsm: Hsm): Promise<void> {
  for (let round = 0; round < 5; round++) {
    const find = hsm.findKey(randomBytes(16).toString('hex') as HsmKeyId)
    await context.expectError(find, 'ERR_HSM_LOGIN', 'find after a refused login')
    await context.expectError(hsm.recheck(), 'ERR_HSM_LOGIN', 'recheck after a refused login')
    const health = await hsm.probe()
    ensureEqual(health.state, 'login-refused', 'state after a refused login')
    context.ensureNoSecret(health, 'the health after a refused login')
  }
}

async function nothingSecret(context: CaseContext): Promise<void> {
  const { hsm } = context
  const { key, wrapped } = await context.wrapped(await context.sharedKey(context.anyKind), binding)
  const contentKey = context.contentKey()
  const unknown = randomBytes(16).toString('hex') as HsmKeyId
  const cut = Buffer.from(wrapped.bytes.subarray(1))
  const provoked = [
    hsm.wrapKey(unknown, contentKey, binding),
    hsm.wrapKey(key.id, contentKey, binding, { signal: AbortSignal.abort() }),
    hsm.unwrapKey(unknown, wrapped, binding),
    hsm.unwrapKey(key.id, { ...wrapped, bytes: cut }, binding),
    // A content key where wrapped bytes belong: the error must not quote what it was given.
    contentKey.expose((bytes) => {
      return hsm.unwrapKey(key.id, { ...wrapped, bytes: Buffer.from(bytes) }, binding)
    }),
    hsm.authenticate(
      key.id,
      contentKey.expose((bytes) => Buffer.from(bytes)),
    ),
    hsm.sign(
      key.id,
      contentKey.expose((bytes) => Buffer.from(bytes)),
    ),
  ]
  for (const outcome of await Promise.allSettled(provoked)) {
    ensure(outcome.status === 'rejected', 'a provoked call succeeded')
    ensure(outcome.reason instanceof DomainError, 'a provoked call threw a foreign error')
    context.ensureNoSecret(outcome.reason, 'an error')
  }
  context.ensureNoSecret(await hsm.probe(), 'the health')
  context.ensureNoSecret(hsm.description, 'the description')
  context.ensureNoSecret(hsm, 'the connection')
}
