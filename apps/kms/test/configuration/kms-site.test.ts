import { describe, expect, it } from 'vitest'
import { toConfiguration } from '../../src/configuration/configuration.js'
import { readKmsSite } from '../../src/configuration/kms-site.js'
import { xml } from '../support/test-kms.js'

const read = (properties: Record<string, string>) =>
  readKmsSite(toConfiguration(xml(properties), 'kms-site.xml'))

describe('kms-site.xml', () => {
  it('has the original’s defaults', () => {
    expect(read({}).site).toMatchObject({
      port: undefined,
      defaultBits: 128,
      keyAuthorization: true,
      cacheMs: 600_000,
      currentKeyCacheMs: 30_000,
      authentication: { type: 'simple', cookieValidityMs: 36_000_000, principal: 'HTTP/localhost' },
      tokens: { maxLifetimeMs: 604_800_000, renewIntervalMs: 86_400_000, removalScanMs: 3_600_000 },
    })
  })

  it('is obeyed', () => {
    const { site, remarks } = read({
      'hadoop.kms.http.port': '16000',
      'hadoop.kms.authentication.type': 'kerberos',
      'hadoop.kms.authentication.token.validity': '60',
      'hadoop.kms.authentication.token.max-inactive-interval': '5',
      'hadoop.kms.cache.enable': 'false',
      'hadoop.kms.proxyuser.hive.users': '*',
      'hadoop.security.key.default.bitlength': '256',
      'fs.defaultFS': 'hdfs://x',
    })
    expect(site).toMatchObject({ port: 16000, cacheEnabled: false, defaultBits: 256 })
    expect(site.authentication).toMatchObject({
      type: 'kerberos',
      cookieValidityMs: 60_000,
      cookieIdleMs: 5_000,
    })
    expect(remarks).toEqual([])
  })

  it.each(['-1', '0'])('takes a cookie’s idle time of %s for none', (value) => {
    const { site } = read({ 'hadoop.kms.authentication.token.max-inactive-interval': value })
    expect(site.authentication.cookieIdleMs).toBeUndefined()
  })

  it('says what has no effect and what is not known, with its place', () => {
    expect(
      read({
        'hadoop.kms.key.provider.uri': 'jceks://file@/x',
        'hadoop.kms.authentication.zk-dt-secret-manager.enable': 'true',
        'hadoop.kms.htp.port': '1',
      }).remarks,
    ).toEqual([
      expect.stringContaining(
        'kms-site.xml:2: hadoop.kms.key.provider.uri has no effect: zone keys are',
      ),
      expect.stringContaining(
        'kms-site.xml:3: hadoop.kms.authentication.zk-dt-secret-manager.enable has no effect',
      ),
      'kms-site.xml:4: hadoop.kms.htp.port is not known; did you mean hadoop.kms.http.port?',
    ])
  })

  it.each([
    ['org.apache.hadoop.security.authentication.server.KerberosAuthenticationHandler', 'kerberos'],
    [
      'org.apache.hadoop.security.token.delegation.web.PseudoDelegationTokenAuthenticationHandler',
      'simple',
    ],
  ])('knows the class %s as the type %s', (name, type) => {
    const { site } = read({ 'hadoop.kms.authentication.type': name })
    expect(site.authentication.type).toBe(type)
  })

  it('says of TLS and the web server what stands in their place', () => {
    const { remarks } = read({
      'ssl.server.keystore.location': '/x.jks',
      'hadoop.http.max.threads': '5000',
      'hadoop.security.group.mapping.ldap.url': 'ldap://x',
    })
    expect(remarks).toEqual([
      'kms-site.xml:2: ssl.server.keystore.location has no effect: certificate and key are PEM files; keytrustee-kms cert import takes those of an ssl-server.xml over',
      'kms-site.xml:3: hadoop.http.max.threads has no effect: requests are not bound to threads',
      'kms-site.xml:4: hadoop.security.group.mapping.ldap.url has no effect: groups are those that the operating system knows (id)',
    ])
  })

  it('names every value that cannot be used', () => {
    expect(() =>
      read({ 'hadoop.kms.http.port': 'x', 'hadoop.kms.authentication.type': 'ldap' }),
    ).toThrow(
      /kms-site.xml:2: hadoop.kms.http.port must be a whole number.*kms-site.xml:3: .* must be one of simple, kerberos/,
    )
  })
})
