import { wrapAlgorithms } from '@keyhsm/hsm'
import { describe, expect, test } from 'vitest'
import type { Pkcs11Profile } from '../src/profile.js'
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

test('a device that was not tried says so', () => {
  for (const [, profile] of profiles) {
    if (profile.hardware) expect(profile.provenance).toContain('not tried on a real device')
  }
})
