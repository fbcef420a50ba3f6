import { existsSync, readFileSync } from 'node:fs'
import { wrapAlgorithms } from '@keyhsm/hsm'
import { describe, expect, test } from 'vitest'
import type { FactName, Pkcs11Profile } from '../src/profile.js'
import { pkcs11Profiles } from '../src/profiles.js'

const profiles: [string, Pkcs11Profile][] = Object.entries(pkcs11Profiles)

describe.each(profiles)('profile %s', (name, profile) => {
  test('is named as it is looked up, and says where it is known from', () => {
    expect(profile.name).toBe(name)
    expect(profile.provenance).toMatch(/tried/)
    for (const row of profile.returnCodes) expect(row.source).not.toBe('')
  })

  test('is plain data: it travels to the host process', () => {
    expect(structuredClone(profile)).toEqual(profile)
  })

  test('can wrap with its default kind', () => {
    const algorithms = [...profile.oaep, ...profile.aes.map((how) => how.algorithm)]
    const kinds = algorithms.flatMap(
      (algorithm): readonly string[] => wrapAlgorithms[algorithm].kinds,
    )
    expect([...kinds, 'ec-p256']).toContain(profile.defaultKind)
  })

  test('names absolute paths of libraries', () => {
    expect(profile.libraryPaths.length).toBeGreaterThan(0)
    for (const path of profile.libraryPaths) expect(path).toMatch(/^\/.+\.so(\.\d+)?$/)
  })

  test('lets nothing through that could hold a password', () => {
    for (const variable of profile.environment) expect(variable).not.toMatch(/PIN|PASS|SECRET|^\*/)
  })

  test('limits grow from use to listing', () => {
    const { useMs, lookMs, writeMs, listMs } = profile.limits
    expect(useMs).toBeLessThan(lookMs)
    expect(Math.max(lookMs, writeMs)).toBeLessThan(listMs)
  })
})

test('defaults are those of the design', () => {
  const kinds = profiles.map(([name, profile]) => [name, profile.defaultKind])
  expect(Object.fromEntries(kinds)).toMatchObject({
    softhsm: 'ec-p256',
    luna: 'rsa-3072',
    thales: 'rsa-3072',
    cloudhsm: 'aes-256',
  })
})

const words: Readonly<Record<FactName, string>> = {
  libraryPaths: 'library paths',
  token: 'token',
  password: 'password',
  environment: 'environment',
  mechanisms: 'mechanisms',
  templates: 'templates',
  returnCodes: 'return codes',
  capacity: 'capacity',
}
const tried = {
  library: 'tried',
  replayed: 'replayed, not tried on a device',
  never: 'never tried',
} as const

test.each(profiles)(
  'the page of %s names the source of each fact, and what nobody tried',
  (name, { facts }) => {
    const page = new URL(`../../../docs/operations/hsm/${name}.md`, import.meta.url)
    const text = readFileSync(page, 'utf8')
    for (const [fact, { source, tried: how }] of Object.entries(facts)) {
      expect(text).toContain(`| ${words[fact as FactName]} | ${source} | ${tried[how]} |`)
    }
  },
)

test('what is said to have been replayed is in the behaviour table of that vendor', () => {
  for (const [name, { facts, hardware }] of profiles) {
    const replayed = Object.values(facts).some((fact) => fact.tried === 'replayed')
    const table = new URL(`../../../interop/vendors/${name}.behaviour`, import.meta.url)
    expect([name, existsSync(table)]).toEqual([name, hardware])
    expect(replayed).toBe(hardware)
  }
})

test('a device that was not tried says so', () => {
  for (const [, profile] of profiles) {
    if (profile.hardware) expect(profile.provenance).toContain('not tried on a real device')
  }
})
