import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isInList, parseAccessList } from '../../src/access/access-list.js'
import { mayDo, mayUseKey, parseAcls } from '../../src/access/acls.js'
import { explain } from '../../src/access/explain.js'
import { toConfiguration } from '../../src/configuration/configuration.js'
import { xml } from '../support/test-kms.js'

const subject = (user: string, groups: readonly string[] = [], realUser?: string) => ({
  user,
  groups,
  realUser,
})
const acls = (properties: Record<string, string>) =>
  parseAcls(toConfiguration(xml(properties), 'kms-acls.xml'))

describe('access lists', () => {
  it.each([
    ['*', 'x', [], true],
    ['a,b', 'b', [], true],
    ['a,b', 'c', [], false],
    [' admins', 'c', ['admins'], true],
    [' admins', 'admins', [], false],
    ['a *', 'x', [], true],
    ['', 'x', ['x'], false],
    [' ', 'x', ['x'], false],
    // The trap: a blank after the comma makes a group of what follows.
    ['a, b', 'b', [], false],
    ['a, b', 'x', ['b'], true],
  ] as const)('"%s" and %s of %j: %s', (text, user, groups, expected) => {
    expect(isInList(parseAccessList(text), subject(user, groups))).toBe(expected)
  })

  it('match the real user of a proxied call by ~name', () => {
    expect(isInList(parseAccessList('~hive'), subject('alice', [], 'hive'))).toBe(true)
    expect(isInList(parseAccessList('~hive'), subject('hive'))).toBe(false)
  })

  it('take any text', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, user) => {
        const list = parseAccessList(text)
        return isInList(list, subject(user)) === (list.everybody || list.users.has(user))
      }),
    )
  })
})

describe('operation ACLs', () => {
  it('let everybody in where nothing is said, and never whom the blacklist names', () => {
    const rules = acls({ 'hadoop.kms.acl.CREATE': 'a', 'hadoop.kms.blacklist.DECRYPT_EEK': 'hdfs' })
    expect(mayDo(rules, 'CREATE', subject('a'))).toBe(true)
    expect(mayDo(rules, 'CREATE', subject('b'))).toBe(false)
    expect(mayDo(rules, 'DELETE', subject('b'))).toBe(true)
    expect(mayDo(rules, 'DECRYPT_EEK', subject('hdfs'))).toBe(false)
  })

  it('give undelete and purge lists of their own, or that of DELETE', () => {
    const rules = acls({ 'hadoop.kms.acl.DELETE': 'a', 'keytrustee.kms.acl.PURGE': 'p' })
    expect(mayDo(rules, 'UNDELETE', subject('a'))).toBe(true)
    expect(mayDo(rules, 'UNDELETE', subject('p'))).toBe(false)
    expect(mayDo(rules, 'PURGE', subject('a'))).toBe(false)
    expect(mayDo(rules, 'PURGE', subject('p'))).toBe(true)
  })
})

describe('key ACLs', () => {
  const rules = acls({
    'key.acl.a.b.MANAGEMENT': 'm',
    'key.acl.a.b.ALL': 'boss',
    'default.key.acl.MANAGEMENT': 'd',
    'default.key.acl.READ': '*',
    'whitelist.key.acl.MANAGEMENT': 'w',
  })

  it.each([
    ['a.b', 'MANAGEMENT', 'm', true],
    ['a.b', 'MANAGEMENT', 'boss', true],
    ['a.b', 'MANAGEMENT', 'w', true],
    ['a.b', 'MANAGEMENT', 'd', false],
    ['a.b', 'READ', 'm', false],
    ['a.b', 'READ', 'boss', true],
    ['other', 'MANAGEMENT', 'd', true],
    ['other', 'MANAGEMENT', 'm', false],
    ['other', 'READ', 'x', true],
    ['other', 'DECRYPT_EEK', 'boss', false],
  ] as const)('%s %s %s: %s', (name, type, user, expected) => {
    expect(mayUseKey(rules, name, type, subject(user))).toBe(expected)
  })

  it('name what they ignore, with its place', () => {
    const { warnings } = acls({
      'default.key.acl.ALL': '*',
      'whitelist.key.acl.ALL': '*',
      'key.acl.k.SOMETHING': '*',
      'hadoop.kms.acl.CRATE': '*',
      other: '1',
    })
    expect(warnings).toHaveLength(5)
    expect(warnings[0]).toContain('kms-acls.xml:2: default.key.acl.ALL is ignored')
  })

  it('can be explained', () => {
    const ask = (user: string, aclName: string) =>
      explain(rules, {
        operation: 'ROLLOVER',
        aclName,
        subject: subject(user),
        keyAuthorization: true,
      })
    expect(ask('m', 'a.b')).toMatchObject({ allowed: true })
    expect(ask('m', 'a.b').reasons.at(-1)).toBe('key.acl.a.b.MANAGEMENT holds m')
    expect(ask('d', 'a.b').allowed).toBe(false)
    expect(ask('d', 'a.b').reasons.join()).toContain('so defaults do not count')
    const decrypt = { operation: 'DECRYPT_EEK', aclName: 'x', subject: subject('d') } as const
    expect(explain(rules, { ...decrypt, keyAuthorization: true }).reasons.join()).toContain(
      'so nobody',
    )
    expect(explain(rules, { ...decrypt, keyAuthorization: false }).allowed).toBe(true)
  })

  it('are explained for what Key Trustee KMS adds', () => {
    const given = acls({
      'keytrustee.kms.acl.PURGE': 'p',
      'hadoop.kms.acl.DELETE': 'd',
      'hadoop.kms.blacklist.DELETE': 'x',
    })
    const ask = (operation: 'PURGE' | 'UNDELETE', user: string) =>
      explain(given, {
        operation,
        aclName: undefined,
        subject: subject(user),
        keyAuthorization: true,
      })
    expect(ask('PURGE', 'p')).toEqual({
      allowed: true,
      reasons: [
        'keytrustee.kms.acl.PURGE is "p"',
        'hadoop.kms.blacklist.DELETE is "x"',
        'p may PURGE',
      ],
    })
    expect(ask('PURGE', 'd').allowed).toBe(false)
    expect(ask('UNDELETE', 'd')).toEqual({
      allowed: true,
      reasons: [
        'keytrustee.kms.acl.UNDELETE is not set, so DELETE counts',
        'hadoop.kms.acl.DELETE is "d"',
        'hadoop.kms.blacklist.DELETE is "x"',
        'd may UNDELETE',
      ],
    })
  })

  it('agree with their explanation for everybody', () => {
    const lists = fc.constantFrom('*', '', 'u', ' g', 'x', 'u g')
    const names = fc.constantFrom(
      'key.acl.k.MANAGEMENT',
      'key.acl.k.ALL',
      'key.acl.k.READ',
      'default.key.acl.MANAGEMENT',
      'whitelist.key.acl.MANAGEMENT',
    )
    fc.assert(
      fc.property(fc.dictionary(names, lists), (properties) => {
        const some = acls(properties)
        const who = subject('u', ['g'])
        const explained = explain(some, {
          operation: 'DELETE',
          aclName: 'k',
          subject: who,
          keyAuthorization: true,
        })
        expect(explained.allowed).toBe(mayUseKey(some, 'k', 'MANAGEMENT', who))
      }),
    )
  })
})
