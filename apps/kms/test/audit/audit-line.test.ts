import { describe, expect, it } from 'vitest'
import { formatAuditLine, formatAuditMessage } from '../../src/audit/audit-line.js'

describe('audit lines', () => {
  it.each([
    [
      {
        status: 'OK',
        op: 'CREATE_KEY',
        key: 'acl1',
        user: 'alice',
        message: 'UserProvidedMaterial:false Description:null',
      },
      'OK[op=CREATE_KEY, key=acl1, user=alice] UserProvidedMaterial:false Description:null',
    ],
    [{ status: 'OK', op: 'GET_KEYS', user: 'alice', message: '' }, 'OK[op=GET_KEYS, user=alice] '],
    [
      { status: 'OK', op: 'DECRYPT_EEK', key: 'k1', user: 'carol', message: '' },
      'OK[op=DECRYPT_EEK, key=k1, user=carol, accessCount=1, interval=0ms] ',
    ],
    [
      { status: 'UNAUTHORIZED', op: 'MANAGEMENT', key: 'acl1', user: 'bob', message: '' },
      'UNAUTHORIZED[op=MANAGEMENT, key=acl1, user=bob] ',
    ],
    [
      { status: 'ERROR', user: 'alice', message: "Method:'POST' Exception:'x'" },
      "ERROR[user=alice] Method:'POST' Exception:'x'",
    ],
    [
      { status: 'UNAUTHENTICATED', message: "RemoteHost:127.0.0.1 Method:GET URL:u ErrorMsg:'m'" },
      "UNAUTHENTICATED RemoteHost:127.0.0.1 Method:GET URL:u ErrorMsg:'m'",
    ],
  ] as const)('%j', (line, expected) => {
    expect(formatAuditMessage(line)).toBe(expected)
  })

  it('bear the local time of each, also in one second, the next, and one before', () => {
    const times = [
      [4, 24, 6, 860],
      [4, 24, 6, 7],
      [4, 24, 7, 0],
      [4, 24, 6, 999],
    ] as const
    const shown = times.map(([hour, minute, second, ms]) =>
      formatAuditLine(
        { status: 'OK', message: '' },
        new Date(2026, 10, 2, hour, minute, second, ms),
      ),
    )
    expect(shown.map((line) => line.slice(0, 23))).toEqual([
      '2026-11-02 04:24:06,860',
      '2026-11-02 04:24:06,007',
      '2026-11-02 04:24:07,000',
      '2026-11-02 04:24:06,999',
    ])
  })

  it('stay one line whatever a key is called', () => {
    const line = formatAuditLine(
      { status: 'OK', op: 'X', key: 'a\nOK[op=\u2028', message: '' },
      new Date(0),
    )
    expect(line.split('\n')).toHaveLength(2)
    expect(line).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} OK\[op=X, key=a\\u000aOK\[op=\\u2028\] \n$/,
    )
  })
})
