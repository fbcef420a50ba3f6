import { describe, expect, it } from 'vitest'
import { parseNameRules } from '../../src/authentication/auth-to-local.js'

const options = { mechanism: 'hadoop', defaultRealm: 'EXAMPLE.COM', field: 'rules' } as const

describe('auth_to_local', () => {
  it.each([
    ['DEFAULT', 'alice@EXAMPLE.COM', 'alice'],
    ['DEFAULT', 'client/host@EXAMPLE.COM', 'client'],
    ['DEFAULT', 'alice', 'alice'],
    ['RULE:[1:$1@$0](.*@OTHER\\.COM)s/@.*// DEFAULT', 'bob@OTHER.COM', 'bob'],
    ['RULE:[2:$1@$0](nn@.*)s/.*/hdfs/\nDEFAULT', 'nn/host@EXAMPLE.COM', 'hdfs'],
    ['RULE:[2:$1;$2](^.*;admin$)s/;admin$// DEFAULT', 'joe/admin@X', 'joe'],
    ['RULE:[1:$1]/L', 'ALICE@X', 'alice'],
    ['RULE:[1:$1]s/a/b/g', 'aXa@X', 'bXb'],
  ])('%s makes of %s: %s', (rules, principal, short) => {
    expect(parseNameRules(rules, options).shortName(principal)).toBe(short)
  })

  it('refuses what no rule applies to, and what stays no simple name', () => {
    expect(() => parseNameRules('DEFAULT', options).shortName('a@OTHER')).toThrow(
      'No rules applied to a@OTHER',
    )
    expect(() => parseNameRules('RULE:[1:$1@$0]', options).shortName('a@X')).toThrow(
      'Non-simple name a@X',
    )
    expect(() => parseNameRules('DEFAULT', options).shortName('a/b/c@X')).toThrow('Malformed')
  })

  it('lets such names through by the rules of MIT', () => {
    const mit = { ...options, mechanism: 'mit' } as const
    expect(parseNameRules('DEFAULT', mit).shortName('a@OTHER')).toBe('a@OTHER')
    expect(parseNameRules('RULE:[2:$1/$2]', mit).shortName('foo/localhost@X')).toBe('foo/localhost')
  })

  it('names a rule that cannot be read', () => {
    expect(() => parseNameRules('RULE:[1:$1', options)).toThrow(
      'rules holds a rule that cannot be read',
    )
    expect(() => parseNameRules('RULE:[1:$1]([)', options)).toThrow('rules holds a')
  })
})
