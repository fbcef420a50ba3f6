import { describe, expect, it } from 'vitest'
import { findAccount, findInPasswd } from '../src/accounts.js'

const passwd =
  'root:x:0:0:root:/root:/bin/sh\nsvc:x:101:104:,,,:/var/lib/svc:/bin/sh\nbad:x::4::/:/x\nbare:x:5:6\n'

describe('findInPasswd', () => {
  it('reads uid, gid and home', () => {
    expect(findInPasswd(passwd, 'svc')).toEqual({
      name: 'svc',
      uid: 101,
      gid: 104,
      home: '/var/lib/svc',
    })
    expect(findInPasswd(passwd, 'bare')).toEqual({ name: 'bare', uid: 5, gid: 6, home: '/' })
  })
  it('never takes an empty uid for 0', () => {
    expect(findInPasswd(passwd, 'bad')).toBeUndefined()
  })
  it('matches whole names', () => {
    expect(findInPasswd(passwd, 'sv')).toBeUndefined()
  })
})

describe('findAccount', () => {
  it('finds root and refuses names that are none', () => {
    expect(findAccount('root')).toMatchObject({ uid: 0 })
    expect(findAccount('no-such-account')).toBeUndefined()
    expect(findAccount('--help')).toBeUndefined()
    expect(findAccount('a:b')).toBeUndefined()
  })
})
