/** Sessions, libraries and devices that go away. While nothing can be asked, nothing may be concluded. */
import type { CaseContext, WrappedEntry } from '../case-context.js'
import type { ConformanceCase } from '../conformance-case.js'
import { ensure, within } from '../failure.js'
import type { Repair } from '../hsm-under-test.js'

const binding = Buffer.from('header and context')
const transient = ['ERR_HSM_UNAVAILABLE', 'ERR_BUSY'] as const
const rounds = 5

export const losingCases: readonly ConformanceCase[] = [
  {
    name: 'a lost session is unavailable, then works again',
    needs: ['loseSession'],
    run: (context) => loses(context, (hsm) => context.underTest.loseSession?.(hsm)),
  },
  {
    name: 'a library that is gone is unavailable, then works again',
    needs: ['breakConnection'],
    run: (context) => loses(context, (hsm) => context.underTest.breakConnection?.(hsm)),
  },
  { name: 'a closed connection is unavailable and closes twice', run: closes },
]

async function loses(
  context: CaseContext,
  lose: (hsm: CaseContext['hsm']) => Promise<Repair> | undefined,
): Promise<void> {
  const entry = await context.wrapped(await context.sharedKey(context.anyKind), binding)
  const repair = await lose(context.hsm)
  try {
    for (let round = 0; round < rounds; round++) await ensureNothingConcluded(context, entry)
  } finally {
    await repair?.()
  }
  await context.eventually(context.recoveryMs, () => context.ensureOpens(entry))
  const health = await context.hsm.probe()
  ensure(health.state === 'ready', `the probe says ${health.state} after recovery`)
}

/** Each verb answers as on a good day or says that it could not ask; never "not found", never "integrity". */
async function ensureNothingConcluded(context: CaseContext, entry: WrappedEntry): Promise<void> {
  const { hsm } = context
  const unknown = context.newSpec(context.anyKind).id
  const limit = context.recoveryMs
  await allowed(context, within(limit, context.ensureOpens(entry), 'unwrap'), 'unwrap')
  const find = within(limit, hsm.findKey(entry.key.id), 'find')
  const found = await allowed(context, find, 'find')
  ensure(found === 'unavailable' || found !== undefined, 'find concluded that the key is gone')
  const destroy = within(limit, hsm.destroyKey(unknown), 'destroy')
  await allowed(context, destroy, 'destroy')
  const health = await within(limit, hsm.probe(), 'probe')
  context.ensureNoSecret(health, 'the health')
  ensure(health.state !== 'login-refused', 'the probe says that the login was refused')
}

async function allowed<Result>(
  context: CaseContext,
  call: Promise<Result>,
  what: string,
): Promise<Result | 'unavailable'> {
  try {
    return await call
  } catch (error) {
    await context.expectError(Promise.reject(error), transient, `${what} while it is lost`)
    return 'unavailable'
  }
}

async function closes(context: CaseContext): Promise<void> {
  const entry = await context.wrapped(await context.sharedKey(context.anyKind), binding)
  const { hsm } = context
  await hsm.close()
  await hsm.close()
  const { id } = entry.key
  const calls = {
    unwrapKey: hsm.unwrapKey(id, entry.wrapped, binding),
    findKey: hsm.findKey(id),
    listKeys: hsm.listKeys(),
    destroyKey: hsm.destroyKey(id),
    createKey: hsm.createKey(context.newSpec(context.anyKind)),
  }
  await Promise.allSettled(Object.values(calls))
  for (const [verb, call] of Object.entries(calls)) {
    await context.expectError(call, 'ERR_HSM_UNAVAILABLE', `${verb} after close`)
  }
  const health = await hsm.probe()
  ensure(health.state === 'unavailable', `the probe says ${health.state} after close`)
  await context.reconnect()
  await context.ensureOpens(entry)
}
