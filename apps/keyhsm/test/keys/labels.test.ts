import { parseHandle, parseRealm, parseUuid } from '@keyhsm/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatDepositLabel,
  formatOrganisationLabel,
  formatPartitionLabel,
  formatServiceLabel,
  maxGeneration,
  maxLabelCharacters,
  parseLabel,
  toRealmPart,
} from '../../src/keys/labels.js'

const now = new Date('2016-06-03T23:59:59Z')
const organisation = parseUuid('0f8fad5b-d9cb-469f-a165-70867728950e')
const alphabet = 'abcXYZ019._-'.split('')
const names = fc
  .string({ unit: fc.constantFrom(...alphabet), maxLength: 126 })
  .map((rest) => parseHandle(`k${rest}`))

describe('labels', () => {
  it('follow the naming convention of the manual', () => {
    expect(formatDepositLabel(parseHandle('key1'), now)).toMatch(
      /^key1-[A-Z][A-Za-z0-9]{3}-[A-Za-z0-9]{4}-2016-06-03$/,
    )
  })

  it('are parsed from the right and never exceed 64 characters, whatever the handle', () => {
    fc.assert(
      fc.property(names, (handle) => {
        const label = formatDepositLabel(handle, now)
        const parsed = parseLabel(label)
        expect(label.length).toBeLessThanOrEqual(maxLabelCharacters)
        expect(parsed).toMatchObject({ form: 'single', createdOn: '2016-06-03' })
        if (handle.length <= 43) expect(parsed).toMatchObject({ name: handle })
      }),
    )
  })

  it('keep long handles apart that begin alike', () => {
    const [a, b] = [parseHandle(`${'h'.repeat(127)}x`), parseHandle(`${'h'.repeat(127)}y`)]
    const nameOf = (handle: typeof a) => parseLabel(formatDepositLabel(handle, now))
    expect(nameOf(a)).not.toEqual(nameOf(b))
  })

  it('name an organisation and a generation', () => {
    const label = formatOrganisationLabel(organisation, 46, now)
    expect(label).toMatch(/^org-0f8fad5bd9cb469fa16570867728950e-001a-[A-Za-z0-9]{4}-2016-06-03$/)
    expect(parseLabel(label)).toEqual({
      form: 'organisation',
      organisation,
      generation: 46,
      createdOn: '2016-06-03',
    })
  })

  it('name a realm and a generation, also when the realm is long', () => {
    for (const realm of [parseRealm('prod'), parseRealm('p'.repeat(64))]) {
      const label = formatServiceLabel(realm, maxGeneration, now)
      expect(label.length).toBeLessThanOrEqual(maxLabelCharacters)
      expect(parseLabel(label)).toMatchObject({
        form: 'service',
        realmPart: toRealmPart(realm),
        generation: maxGeneration,
      })
    }
  })

  it('cannot be made to look like a shared key by choosing a handle', () => {
    expect(parseLabel('key1-3T17-YYdn-2015-07-23')).toEqual({
      form: 'single',
      name: 'key1',
      uuid: '3T17-YYdn',
      createdOn: '2015-07-23',
    })
    for (const head of [`org-${'0'.repeat(32)}`, 'service-prod', 'canary', 'auth']) {
      for (let count = 0; count < 50; count += 1) {
        const label = formatDepositLabel(parseHandle(head), now)
        expect(parseLabel(label)).toMatchObject({ form: 'single', name: head })
      }
    }
  })

  it('of the partition’s own keys say what they are', () => {
    expect(formatPartitionLabel('canary', now)).toMatch(/^canary-.{4}-.{4}-2016-06-03$/)
  })

  it.each(['', 'key1', 'key1-abcd-2016-06-03', 'key1-abcd-efgh-2016-13-03', 'MyKey-3T17-YYdn-x'])(
    'of others are not ours: %j',
    (label) => {
      expect(parseLabel(label)).toBeUndefined()
    },
  )
})
