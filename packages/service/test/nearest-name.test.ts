import { describe, expect, it } from 'vitest'
import { nearestName } from '../src/nearest-name.js'

const names = ['keyhsm.server.port', 'keyhsm.server.host', 'keyhsm.key.scope']

describe('nearestName', () => {
  it('finds a slip of the finger, whatever the case', () => {
    expect(nearestName('keyhsm.sever.prot', names)).toBe('keyhsm.server.port')
    expect(nearestName('KEYHSM.KEY.SCOP', names)).toBe('keyhsm.key.scope')
  })

  it('suggests nothing for what is far from all', () => {
    expect(nearestName('logging', names)).toBeUndefined()
    expect(nearestName('x'.repeat(1000), names)).toBeUndefined()
    expect(nearestName('', [])).toBeUndefined()
  })
})
