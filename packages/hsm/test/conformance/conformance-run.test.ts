import { describe, expect, onTestFinished, test } from 'vitest'
import type { ConformanceCase } from '../../src/conformance/conformance-case.js'
import { conformanceCases, leanCases } from '../../src/conformance/conformance-cases.js'
import { ConformanceRun } from '../../src/conformance/conformance-run.js'
import type { HsmUnderTest } from '../../src/conformance/hsm-under-test.js'
import { softTokenUnderTest } from './soft-token-under-test.js'

/** A run on the soft token, with some of what it says of itself changed. */
async function open(change: (good: HsmUnderTest) => HsmUnderTest): Promise<ConformanceRun> {
  const run = await ConformanceRun.open(change(await softTokenUnderTest()))
  onTestFinished(() => run.close())
  return run
}

function caseNamed(start: string): ConformanceCase {
  const found = conformanceCases.find((each) => each.name.startsWith(start))
  if (!found) throw new Error(`no case starts with "${start}"`)
  return found
}

describe('conformanceCases', () => {
  test('have names that differ', () => {
    const names = conformanceCases.map((each) => each.name)
    expect(new Set(names).size).toBe(names.length)
  })
})

describe('leanCases', () => {
  const lean = leanCases({ pair: 'ec-p256', secret: 'aes-256' })
  const namesOf = (rule: string) =>
    lean.filter(({ name }) => name.startsWith(rule)).map(({ kind }) => kind)

  test('hold every rule', () => {
    const rules = new Set(conformanceCases.map(({ name }) => name.split(' / ')[0]))
    expect(new Set(lean.map(({ name }) => name.split(' / ')[0]))).toEqual(rules)
  })

  test('try all kinds, a pair and a secret key, or one kind, by what the rule depends on', () => {
    expect(namesOf('one flipped bit')).toEqual(['ec-p256', 'rsa-2048', 'rsa-3072', 'aes-256'])
    expect(namesOf('a destroyed key')).toEqual(['ec-p256', 'aes-256'])
    expect(namesOf('scope service')).toEqual(['ec-p256'])
    expect(namesOf('a MAC is the same')).toEqual(['hmac-sha256', 'cmac-aes-256'])
  })
})

describe('ConformanceRun', () => {
  const hung = caseNamed('a hung device')

  test('skips a hook that is missing with a reason', async () => {
    const run = await open((good) => good)
    expect(run.skipReason(hung)).toBe('a software token has no device that could hang')
  })

  test('fails a case whose hook is missing without a reason', async () => {
    const run = await open((good) => ({ ...good, skip: {} }))
    expect(run.skipReason(hung)).toBeUndefined()
    await expect(run.run(hung)).rejects.toThrow('the hook stall is missing and no reason is given')
  })

  test('skips a kind or a case with a reason', async () => {
    const skipped = caseNamed('64 operations')
    const cases = { [skipped.name]: 'too many' }
    const run = await open((good) => ({ ...good, skip: { kinds: { 'rsa-3072': 'slow' }, cases } }))
    expect(run.skipReason(caseNamed('a content key comes back / rsa-3072'))).toBe('slow')
    expect(run.skipReason(caseNamed('a content key comes back / rsa-2048'))).toBeUndefined()
    expect(run.skipReason(skipped)).toBe('too many')
  })

  test('fails a kind that is not supported without a reason', async () => {
    const run = await open((good) => ({
      ...good,
      connect: async () => {
        const hsm = await good.connect()
        const { capabilities } = hsm
        const poorer = { ...capabilities, kinds: capabilities.kinds.filter((k) => k !== 'aes-256') }
        Object.defineProperty(hsm, 'capabilities', { value: poorer })
        return hsm
      },
    }))
    const call = run.run(caseNamed('a content key comes back / aes-256'))
    await expect(call).rejects.toThrow('kind aes-256 is not supported and no reason is given')
  })

  test('skips changes by others where the profile says that it does not see them', async () => {
    const run = await open((good) => ({
      ...good,
      connect: async () => {
        const hsm = await good.connect()
        const blind = { ...hsm.capabilities, seesOutsideChanges: false }
        Object.defineProperty(hsm, 'capabilities', { value: blind })
        return hsm
      },
    }))
    expect(run.skipReason(caseNamed('a key removed outside'))).toContain('does not see changes')
  })

  test.each<[string, Partial<HsmUnderTest>]>([
    ['no case is named "no such case"', { skip: { cases: { 'no such case': 'because' } } }],
    ['secrets of 8 characters', { secrets: ['1234'] }],
    ['secrets of 8 characters', { secrets: [] }],
  ])('refuses a setup: %s', async (text, change) => {
    const good = await softTokenUnderTest()
    onTestFinished(() => good.dispose?.())
    await expect(ConformanceRun.open({ ...good, ...change })).rejects.toThrow(text)
  })
})
