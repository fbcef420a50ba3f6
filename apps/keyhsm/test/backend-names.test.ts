import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  findPlace,
  findPlaces,
  parseBackendName,
  placeName,
  placeOf,
  placeSchema,
  viewOf,
} from '../src/backend-names.js'
import { readSettingLines } from '@keyhsm/service'

const file = `# two devices
keyhsm.hardware=luna
luna.slot=1
keyhsm.backend.name=old

keyhsm.backend.new.hardware=softhsm
# its token
keyhsm.backend.new.softhsm.token.label=x
keyhsm.backend.new.key.kind=ec-p256
keyhsm.backend.new.hsm.env.TZ=UTC
keyhsm.backend.third.hardware=luna
keyhsm.backend.new.partition.domain=00
`
const namesIn = (text: string) => readSettingLines(text, 'f').map(({ name, line }) => [line, name])

describe('names of a further backend', () => {
  it.each([
    ['luna.slot', 'keyhsm.backend.new.luna.slot'],
    ['keyhsm.key.kind', 'keyhsm.backend.new.key.kind'],
    ['keyhsm.hsm.env.TZ', 'keyhsm.backend.new.hsm.env.TZ'],
  ])('%s stands as %s', (name, placed) => {
    expect(placeName(name, 'new')).toBe(placed)
    expect(placeName(name, undefined)).toBe(name)
    expect(placeOf(placed)).toBe('new')
    expect(namesIn(viewOf(`${placed}=x\n`, 'new'))).toEqual([[1, name]])
  })

  it('are read back as they were written, whatever the backend is called', () => {
    const place = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/)
    const name = fc.constantFrom(
      'keyhsm.hardware',
      'keyhsm.wrap',
      'luna.slot',
      'thales.ocs_password',
    )
    fc.assert(
      fc.property(place, name, (where, own) => {
        const placed = placeName(own, where)
        expect([placeOf(placed), namesIn(viewOf(`${placed}=1`, where))]).toEqual([
          where,
          [[1, own]],
        ])
      }),
      { numRuns: 200 },
    )
  })

  it('keep their lines, so that a fault is told with the line of the file', () => {
    expect(findPlaces(file, 'f')).toEqual(['new', 'third'])
    expect(namesIn(viewOf(file, undefined)).map(([, name]) => name)).toEqual([
      'keyhsm.hardware',
      'luna.slot',
      'keyhsm.backend.name',
    ])
    expect(namesIn(viewOf(file, 'new'))).toEqual([
      [6, 'keyhsm.hardware'],
      [8, 'softhsm.token.label'],
      [9, 'keyhsm.key.kind'],
      [10, 'keyhsm.hsm.env.TZ'],
      [12, 'keyhsm.partition.domain'],
    ])
    expect(namesIn(viewOf(file, 'nobody'))).toEqual([])
  })

  it('move the older spelling of a setting too', () => {
    const parse = String
    const schema = { slot: { name: 'luna.slot', formerly: 'luna.partition', parse, describe: '' } }
    expect(placeSchema(schema, 'b').slot).toMatchObject({
      name: 'keyhsm.backend.b.luna.slot',
      formerly: 'keyhsm.backend.b.luna.partition',
    })
  })
})

describe('which place a name means', () => {
  it('the first by its own name, any other by the given one', () => {
    expect([findPlace(file, undefined), findPlace(file, 'old')]).toEqual([undefined, undefined])
    expect([findPlace(file, 'new'), findPlace(file, 'default')]).toEqual(['new', 'default'])
    expect(findPlace('keyhsm.hardware=luna\n', 'default')).toBeUndefined()
  })

  it('refuses a further one where there is no first, and names that are none', () => {
    expect(() => findPlace(undefined, 'new')).toThrow('set up without --backend')
    for (const bad of ['', '-x', 'a.b', 'a b', 'ä', 'x'.repeat(33)])
      expect(() => parseBackendName(bad, '--backend')).toThrow('--backend must be 1 to 32 letters')
    expect(parseBackendName('x'.repeat(32), '--backend')).toHaveLength(32)
  })
})
