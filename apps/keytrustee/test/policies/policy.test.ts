import { newUuid, type Uuid } from '@keyhsm/core'
import type { PolicyField } from '@keyhsm/protocol'
import { describe, expect, test } from 'vitest'
import { formatPolicy, parsePolicy, readPolicy, readersOf } from '../../src/policies/policy.js'

const known = new Map<string, Uuid>([
  ['anna', newUuid()],
  ['bert', newUuid()],
])
const find = async (ref: string) => known.get(ref)
const parse = (raw: PolicyField) => parsePolicy(raw, { client: find, group: find })

describe('policies', () => {
  test('names are resolved and doubles dropped, times brought to one form, networks completed', async () => {
    const policy = await parse({
      groups: ['bert'],
      clients: ['anna', 'anna'],
      networks: ['192.0.2.1', '2001:DB8::/32'],
      notBefore: '2026-01-01T00:00:00Z',
      maxRetrievals: 2,
    })
    expect(policy).toEqual({
      notBefore: '2026-01-01T00:00:00.000Z',
      maxRetrievals: 2,
      networks: ['192.0.2.1/32', '2001:db8::/32'],
      clients: [known.get('anna')],
      groups: [known.get('bert')],
    })
    expect(readersOf(policy)).toEqual([known.get('anna'), known.get('bert')])
  })

  test('one text for one policy, in whatever order it came, and nothing for nothing', async () => {
    const one = await parse({ maxRetrievals: 1, clients: ['anna'] })
    const other = await parse({ clients: ['anna'], maxRetrievals: 1, groups: [] })
    expect(formatPolicy(one)).toBe(formatPolicy(other))
    expect(readPolicy(formatPolicy(one))).toEqual(one)
    expect([await parse({}), await parse({ clients: [] })]).toEqual([undefined, undefined])
    expect(formatPolicy(undefined)).toBeUndefined()
  })

  test.each([
    [{ notBefore: 'soon' }, 'policy.notBefore'],
    [{ expiresAt: '2026-13-01T00:00:00Z' }, 'policy.expiresAt'],
    [{ notBefore: '2026-02-01T00:00:00Z', expiresAt: '2026-02-01T00:00:00Z' }, 'policy.expiresAt'],
    [{ networks: ['192.0.2.0/33'] }, 'policy.networks'],
    [{ networks: ['example.org'] }, 'policy.networks'],
    [{ networks: ['192.0.2.0/24/1'] }, 'policy.networks'],
    [{ clients: ['carl'] }, 'policy.clients'],
    [{ groups: ['carl'] }, 'policy.groups'],
  ])('refuses %o', async (raw, field) => {
    await expect(parse(raw)).rejects.toMatchObject({
      code: 'ERR_INVALID_INPUT',
      faults: [{ field }],
    })
  })
})
