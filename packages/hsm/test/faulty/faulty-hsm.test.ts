/**
 * The suite must find every fault: for each mode the rules that it breaks are named here, and each of them is run on the
 * double and must fail. The other way round, every rule of the suite must be broken by some mode: a rule that nothing
 * breaks would be a test that cannot fail.
 */
import { describe, expect, test } from 'vitest'
import type { ConformanceCase } from '../../src/conformance/conformance-case.js'
import { conformanceCases } from '../../src/conformance/conformance-cases.js'
import { ConformanceRun } from '../../src/conformance/conformance-run.js'
import type { HsmUnderTest } from '../../src/conformance/hsm-under-test.js'
import { connectFaulty, type FaultyMode, faultyModes } from '../../src/faulty/faulty-hsm.js'
import { type Interruptible, interruptible } from '../../src/faulty/interruptible-hsm.js'
import { connectSoftToken } from '../../src/soft-token/connect-soft-token.js'
import { softTokenUnderTest } from '../conformance/soft-token-under-test.js'

const rules = {
  specification: 'a key that breaks the rules of naming or use is not made',
  newKey: 'a new key is found and listed as it was asked for',
  comesBack: 'a content key comes back',
  proved: 'what is wrapped with its proof opens',
  software: 'a content key wrapped in software comes back',
  binding: 'another binding is refused where the algorithm binds',
  length: 'a content key of another length is refused',
  flipped: 'one flipped bit is refused',
  cut: 'a cut or longer wrapped key is refused',
  algorithm: 'another algorithm name is refused',
  otherKey: 'a wrapped key of another HSM key is refused',
  forged: 'a forged wrapped key is refused',
  unknownId: 'an unknown id is not found',
  takenId: 'a taken id is refused and its key unchanged',
  twoKeys: 'two keys with one id are a conflict',
  wrappingKey: 'a wrapping key neither authenticates nor signs',
  destroyed: 'a destroyed key is gone at once',
  removedOutside: 'a key removed outside stops opening',
  scopeDeposit: 'scope deposit: revoking one key loses one deposit',
  scopeOrganisation: "scope organisation: revoking one key loses that organisation's deposits",
  scopeService: 'scope service: deposits of an earlier key open after rotation',
  macStable: 'a MAC is the same on every connection',
  macDepends: 'a MAC depends on key and message',
  macKey: 'an authenticating key neither wraps nor signs',
  signature: 'a signature verifies',
  signingKey: 'a signing key neither wraps nor authenticates',
  abortedBefore: 'a call that was aborted before it began does nothing',
  abortedHalfWay: 'a call aborted half-way ends',
  deadline: 'a call past its deadline ends',
  hung: 'a hung device costs a caller no more than the deadline',
  sixtyFour: '64 operations at once all succeed',
  twoConnections: 'two connections see what the other makes and destroys',
  bothMake: 'two connections make keys at once',
  oneWins: 'of two connections that make one id at once, one wins',
  lostSession: 'a lost session is unavailable, then works again',
  lostLibrary: 'a library that is gone is unavailable, then works again',
  closed: 'a closed connection is unavailable and closes twice',
  wrongPin: 'a wrong PIN is tried once and latches',
  secrecy: 'nothing secret stands in errors, health or the connection',
} as const

/** The rules that each fault breaks, as far as the suite must find them. */
const brokenRules: Record<FaultyMode, readonly (keyof typeof rules)[]> = {
  'returns a wrong key': ['comesBack', 'proved', 'sixtyFour'],
  'returns a wrong key for damaged bytes': ['flipped', 'cut', 'forged', 'otherKey', 'algorithm'],
  'ignores the binding': ['binding', 'software'],
  'accepts a flipped bit in the last byte': ['flipped'],
  'accepts bytes after the end': ['cut'],
  'opens by any key': ['otherKey', 'scopeService'],
  'takes the algorithm from its settings': ['algorithm'],
  'reports damage as unavailable': ['flipped', 'cut', 'forged'],
  'reports damage as a missing key': ['flipped', 'cut', 'forged'],
  'says what was wrong with damaged bytes': ['flipped', 'cut', 'forged', 'otherKey'],
  'proves a wrap that does not open': ['proved'],
  'wraps a content key of any length': ['length'],
  'wraps nothing': ['comesBack', 'flipped', 'forged'],
  'repeats its nonce': ['comesBack'],
  'opens only what it wrapped itself': ['software', 'twoConnections'],
  'misses a key every other time': ['newKey'],
  'finds a key that is not there': ['unknownId', 'destroyed'],
  'reports an unknown key as damage': ['unknownId', 'destroyed', 'removedOutside'],
  'lists both halves of a pair': ['newKey'],
  'lists nothing': ['newKey', 'twoConnections'],
  'labels keys by their id': ['newKey', 'macStable', 'signature'],
  'gives a wrong fingerprint': ['newKey', 'macStable'],
  'mends a bad specification': ['specification'],
  'overwrites a taken id': ['takenId'],
  'answers a taken id with the old key': ['takenId', 'oneWins'],
  'takes the first of two keys with one id': ['twoKeys'],
  'authenticates with any key': ['wrappingKey', 'signingKey'],
  'signs with any key': ['wrappingKey', 'macKey'],
  'wraps with any key': ['macKey', 'signingKey'],
  'makes another MAC on each connection': ['macStable'],
  'makes another MAC on each call': ['macStable'],
  'makes the MAC of nothing': ['macDepends'],
  'signs something else': ['signature'],
  'lies about destroying': ['destroyed', 'scopeDeposit', 'scopeOrganisation', 'scopeService'],
  'fails to destroy a key that is gone': ['destroyed', 'unknownId', 'removedOutside'],
  'destroys the key made last as well': ['scopeDeposit', 'scopeOrganisation'],
  'opens from a cache when the key is gone': ['destroyed', 'removedOutside', 'scopeDeposit'],
  'ignores the signal': ['abortedBefore'],
  'ignores the deadline': ['hung'],
  'hangs when the signal is aborted': ['abortedHalfWay'],
  'hangs when there is a deadline': ['deadline', 'hung'],
  'reports a passed deadline as a missing key': ['hung'],
  'reports a lost device as a missing key': ['lostSession', 'lostLibrary'],
  'reports a lost device as damage': ['lostSession', 'lostLibrary'],
  'never recovers from a loss': ['lostSession', 'lostLibrary'],
  'answers after close': ['closed'],
  'fails to close twice': ['closed'],
  'loses keys when busy': ['sixtyFour'],
  'mixes up answers when busy': ['sixtyFour'],
  'fails to make keys when busy': ['sixtyFour', 'bothMake'],
  'knows only the keys it made itself': ['twoConnections', 'bothMake'],
  'quotes the content key in an error': ['secrecy', 'unknownId'],
  'keeps its input in the cause of an error': ['secrecy'],
  'shows the PIN in its health': ['secrecy', 'lostSession'],
  'keeps the PIN where a log would print it': ['secrecy'],
  'throws what the library threw': ['secrecy', 'unknownId', 'takenId'],
  'tries a refused PIN again, with a line break': ['wrongPin'],
  'reports a refused login as unavailable': ['wrongPin'],
  'quotes the refused PIN': ['wrongPin'],
}

/** One kind stands for all: EC pairs, and HMAC where a MAC is made. */
function caseOf(rule: keyof typeof rules): ConformanceCase {
  const name = rules[rule]
  const found = conformanceCases.find((each) => each.name.split(' / ')[0] === name)
  if (!found) throw new Error(`no case is named "${name}"`)
  return found
}

/** The software token behind a double with `mode`; without, behind nothing but the interruptions. */
async function doubleUnderTest(mode: FaultyMode | undefined): Promise<HsmUnderTest> {
  const good = await softTokenUnderTest()
  let current: Interruptible | undefined
  const open = async (pin: string) => {
    const connected = interruptible(await connectSoftToken({ directory: good.directory, pin }))
    current = connected
    return connected.hsm
  }
  const connect = (pin: string) => (mode ? connectFaulty(mode, pin, open) : open(pin))
  const interrupt = (end: (() => void) | undefined) => () => Promise.resolve(end?.())
  return {
    ...good,
    connect: () => connect(good.pin),
    connectSecond: () => connect(good.pin),
    loseSession: () => Promise.resolve(interrupt(current?.lose())),
    stall: () => Promise.resolve(interrupt(current?.stall())),
    wrongPin: async () => ({ ...(await good.wrongPin()), connect: () => connect(good.wrong) }),
    skip: {},
    graceMs: 250,
    recoveryMs: 500,
  }
}

async function outcomesOf(mode: FaultyMode | undefined, names: readonly (keyof typeof rules)[]) {
  const run = await ConformanceRun.open(await doubleUnderTest(mode))
  const outcomes: Record<string, string> = {}
  for (const name of names) {
    const each = caseOf(name)
    if (run.skipReason(each) !== undefined) outcomes[name] = 'skipped'
    outcomes[name] ??= await run.run(each).then(
      () => 'passed',
      () => 'failed',
    )
  }
  await run.close().catch(() => undefined)
  return outcomes
}

const allRules = Object.keys(rules) as (keyof typeof rules)[]

describe('the conformance suite', () => {
  test('has the rules that are listed here, and no other', () => {
    const names = new Set(conformanceCases.map((each) => each.name.split(' / ')[0]))
    expect([...names].sort()).toEqual(Object.values(rules).sort())
  })

  test('has no rule that nothing breaks', () => {
    const broken = new Set(Object.values(brokenRules).flat())
    expect(allRules.filter((rule) => !broken.has(rule))).toEqual([])
    expect(Object.keys(brokenRules).sort()).toEqual([...faultyModes].sort())
  })

  test('finds no fault in the double without a fault', async () => {
    const expected = Object.fromEntries(allRules.map((rule) => [rule, 'passed']))
    expect(await outcomesOf(undefined, allRules)).toEqual(expected)
  })

  test.each(faultyModes)('finds a backend that %s', async (mode) => {
    const names = brokenRules[mode]
    const expected = Object.fromEntries(names.map((rule) => [rule, 'failed']))
    expect(await outcomesOf(mode, names)).toEqual(expected)
  })
})
