import { describe, expect, it } from 'vitest'
import { describeAddress, parseDatabaseUrl } from '../../../src/store/postgres/address.js'

const parse = (url: string, options = {}) => parseDatabaseUrl(url, 'database.url', options)

describe('parseDatabaseUrl', () => {
  it('asks another machine for its certificate, said or not', () => {
    const verified = {
      host: 'db.example.org',
      port: 5432,
      database: 'trustee',
      user: 'server',
      password: 'p@ss/word',
      tls: { authorities: undefined },
    }
    const url = 'postgresql://server:p%40ss%2Fword@db.example.org/trustee'
    expect(parse(url)).toEqual(verified)
    expect(parse(`${url}?sslmode=verify-full`)).toEqual(verified)
    const authorities = ['-----BEGIN CERTIFICATE-----']
    expect(parse(url, { authorities }).tls).toEqual({ authorities })
  })

  it.each(['disable', 'allow', 'prefer', 'require', 'verify-ca', 'no-verify'])(
    'refuses sslmode=%s to another machine',
    (mode) => {
      const url = `postgres://u@db.example.org/d?sslmode=${mode}`
      expect(() => parse(url)).toThrow(/database.url must not have sslmode=.*verify-full/)
    },
  )

  it('lets this machine go without TLS', () => {
    for (const host of ['127.0.0.1', 'localhost', '[::1]'])
      expect(parse(`postgres://u@${host}:5433/d`)).not.toHaveProperty('tls')
    expect(parse('postgres://u@[::1]:5433/d').host).toBe('::1')
    expect(parse('postgres://u@127.0.0.1/d?sslmode=verify-full')).toHaveProperty('tls')
  })

  it('takes a socket directory and a password from elsewhere', () => {
    const socket = { host: '/run/postgresql', port: 5432, database: 'd', user: 'u', password: 'x' }
    const urls = [
      'postgres://u@%2Frun%2Fpostgresql/d',
      'postgres://u@localhost/d?host=/run/postgresql',
    ]
    for (const url of urls) expect(parse(url, { password: 'x' })).toEqual(socket)
  })

  it.each([
    ['http://u@h/d', 'must be a postgresql:// URL'],
    ['postgres://u:100%@h/d', 'must have only well-formed % signs'],
    ['nonsense', 'must be a postgresql:// URL'],
    ['postgres://h/d', 'must name user, host and database'],
    ['postgres://u@h', 'must name user, host and database'],
    ['postgres://u@h/d?sslrootcert=x', 'must not have the parameter sslrootcert'],
    ['postgres://u@h/d?options=-c%20fsync%3Doff', 'must not have the parameter options'],
  ])('refuses %s', (url, rule) => {
    expect(() => parse(url)).toThrow(rule)
    expect(() => parse(url)).toThrow(expect.objectContaining({ code: 'ERR_SETTINGS' }))
  })

  it('never repeats a password', () => {
    expect(() => parse('postgres://u:hunter2@h/d?sslmode=disable')).toThrow(
      expect.not.stringContaining('hunter2') as never,
    )
    expect(describeAddress(parse('postgres://u:hunter2@h/d'))).toBe('d on h:5432')
    expect(describeAddress(parse('postgres://u@%2Frun%2Fx/d'))).toBe('d on the socket in /run/x')
  })
})
