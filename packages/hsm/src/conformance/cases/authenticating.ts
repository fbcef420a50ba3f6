/** Keys that make MACs and signatures. */
import { createPublicKey, randomBytes, verify } from 'node:crypto'
import type { SecretBytes } from '@keyhsm/core'

import type { CaseContext } from '../case-context.js'
import type { ConformanceCase } from '../conformance-case.js'
import { ensure, ensureEqual } from '../failure.js'
import { ensureIs } from './round-trips.js'

const macBytes = { 'hmac-sha256': 32, 'cmac-aes-256': 16 } as const
type MacKind = keyof typeof macBytes

const messages = [Buffer.alloc(0), Buffer.from('fixed label'), Buffer.alloc(4096, 7)]
const binding = Buffer.from('header and context')
const useRefused = ['ERR_HSM_REFUSED', 'ERR_HSM_NOT_SUPPORTED'] as const
const unwrapRefused = [...useRefused, 'ERR_INTEGRITY'] as const

export const authenticatingCases: readonly ConformanceCase[] = [
  ...(Object.keys(macBytes) as MacKind[]).flatMap(macCases),
  { name: 'a signature verifies / ec-p256', kind: 'ec-p256', run: signatureVerifies },
  {
    name: 'a signing key neither wraps nor authenticates / ec-p256',
    kind: 'ec-p256',
    run: signingKeyConfined,
  },
]

function macCases(kind: MacKind): ConformanceCase[] {
  return [
    { name: `a MAC is the same on every connection / ${kind}`, kind, run: stable },
    { name: `a MAC depends on key and message / ${kind}`, kind, run: distinct },
    { name: `an authenticating key neither wraps nor signs / ${kind}`, kind, run: confined },
  ]

  async function stable(context: CaseContext): Promise<void> {
    const spec = context.newSpec(kind, 'authenticate')
    const key = await context.hsm.createKey(spec)
    ensureIs(key, spec, 'the created key')
    const first = await macs(context, key.id)
    const again = await macs(context, key.id)
    await context.reconnect()
    const later = await macs(context, key.id)
    for (const [at, mac] of first.entries()) {
      ensureEqual(mac.length, macBytes[kind], 'length of the MAC')
      ensure(same(mac, again[at]), 'the MAC changed on one connection')
      ensure(same(mac, later[at]), 'the MAC changed with the connection')
    }
    const found = await context.hsm.findKey(key.id)
    ensure(found !== undefined, 'the key is not found')
    ensureIs(found, spec, 'the found key')
  }

  async function distinct(context: CaseContext): Promise<void> {
    const key = await context.sharedKey(kind, 'authenticate')
    const other = await context.createKey(kind, 'authenticate')
    const seen = [...(await macs(context, key.id)), ...(await macs(context, other.id))]
    const texts = seen.map((mac) => mac.expose((bytes) => bytes.toString('hex')))
    ensureEqual(new Set(texts).size, seen.length, 'different MACs')
  }

  async function confined(context: CaseContext): Promise<void> {
    const key = await context.sharedKey(kind, 'authenticate')
    await ensureDoesNotWrap(context, key.id)
    const call = context.hsm.sign(key.id, binding)
    await context.expectError(call, useRefused, 'sign by an authenticating key')
  }
}

async function signatureVerifies(context: CaseContext): Promise<void> {
  const spec = context.newSpec('ec-p256', 'sign')
  const created = await context.hsm.createKey(spec)
  ensureIs(created, spec, 'the created key')
  const found = await context.hsm.findKey(spec.id)
  ensure(found?.publicKey !== undefined, 'the key is not found')
  ensureIs(found, spec, 'the found key')
  const key = createPublicKey({ key: found.publicKey, format: 'der', type: 'spki' })
  const options = { key, dsaEncoding: 'ieee-p1363' } as const
  for (const message of messages) {
    const signature = await context.hsm.sign(spec.id, message)
    ensureEqual(signature.length, 64, 'length of the signature')
    ensure(verify('sha256', message, options, signature), 'the signature does not verify')
    const other = Buffer.concat([message, randomBytes(1)])
    ensure(!verify('sha256', other, options, signature), 'it verifies for another message')
  }
}

async function signingKeyConfined(context: CaseContext): Promise<void> {
  const key = await context.sharedKey('ec-p256', 'sign')
  await ensureDoesNotWrap(context, key.id)
  const call = context.hsm.authenticate(key.id, binding)
  await context.expectError(call, useRefused, 'authenticate by a signing key')
}

async function ensureDoesNotWrap(context: CaseContext, id: Parameters<typeof macs>[1]) {
  const wrap = context.hsm.wrapKey(id, context.contentKey(), binding)
  await context.expectError(wrap, useRefused, 'wrap by a key of another use')
  const { wrapped } = await context.wrapped(await context.sharedKey(context.anyKind), binding)
  const unwrap = context.hsm.unwrapKey(id, wrapped, binding)
  await context.expectError(unwrap, unwrapRefused, 'unwrap by a key of another use')
}

async function macs(
  context: CaseContext,
  id: Parameters<CaseContext['hsm']['authenticate']>[0],
): Promise<SecretBytes[]> {
  const made: SecretBytes[] = []
  for (const message of messages) made.push(await context.hsm.authenticate(id, message))
  return made
}

function same(a: SecretBytes, b: SecretBytes | undefined): boolean {
  return b?.expose((bytes) => a.expose((others) => others.equals(bytes))) ?? false
}
