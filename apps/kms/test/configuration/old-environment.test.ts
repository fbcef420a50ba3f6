import { expect, test } from 'vitest'
import { readKmsSite } from '../../src/configuration/kms-site.js'
import { readOldEnvironment, toOldEnvironment } from '../../src/configuration/old-environment.js'

const read = (script: string, env: Record<string, string> = {}) => {
  const { values, remarks } = toOldEnvironment(script, env)
  const read = readKmsSite(values)
  return { site: read.site, remarks: [...read.remarks, ...remarks] }
}

test('variables are other names for properties, from the environment and from kms-env.sh, which counts more', () => {
  expect(read('', { KMS_HTTP_PORT: '16000', KMS_MAX_HTTP_HEADER_SIZE: '131072' })).toMatchObject({
    site: { port: 16000, http: { maxHeaderBytes: 131_072 } },
    remarks: [],
  })
  const script = `
    # export KMS_HTTP_PORT=1
    export KMS_HTTP_PORT="16001"   # of the load balancer
    KMS_ACCEPT_COUNT='700'
    export HADOOP_OPTS=-Xmx1g`
  expect(read(script, { KMS_HTTP_PORT: '16000', PATH: '/bin' })).toMatchObject({
    site: { port: 16001, http: { backlog: 700 } },
    remarks: [],
  })
  expect(read('export KMS_HTTP_PORT=', { KMS_HTTP_PORT: '16000' }).site.port).toBe(16000)
})

test('what has no effect is listed with its place and reason, what is not known with what was meant; no value is shown', () => {
  const script = `export KMS_CONFIG=\${HADOOP_CONF_DIR}
export KMS_MAX_THREADS=1000
export KMS_SSL_KEYSTORE_PASS=geheim
export KMS_HTTP_PORT=$((9600 + 1))
export KMS_HTP_PORT=16000`
  const { site, remarks } = read(script, { KMS_SSL_ENABLED: 'true', KMS_LOG: '/x', KMS_X: '' })
  expect(site.port).toBeUndefined()
  expect(remarks).toEqual([
    'environment: KMS_SSL_ENABLED (hadoop.kms.ssl.enabled) has no effect: HTTPS is on unless keytrustee-kms.tls is off in kms.properties',
    'kms-env.sh:2: KMS_MAX_THREADS (hadoop.http.max.threads) has no effect: requests are not bound to threads',
    expect.stringMatching(/^kms-env\.sh:3: KMS_SSL_KEYSTORE_PASS \(.*\) has no effect: .*PEM/),
    'kms-env.sh:4: KMS_HTTP_PORT has no effect: its value is not written out',
    expect.stringMatching(/^environment: KMS_LOG has no effect: conf\/logback\.xml/),
    'environment: KMS_X is not known',
    expect.stringMatching(/^kms-env\.sh:1: KMS_CONFIG has no effect: .*keytrustee-kms\.conf/),
    'kms-env.sh:5: KMS_HTP_PORT is not known; did you mean KMS_HTTP_PORT?',
  ])
  expect(remarks.join()).not.toContain('geheim')
})

test('a value that cannot be used is a fault that names the variable and its place', () => {
  expect(() => read('\n  export KMS_HTTP_PORT=99999')).toThrow(
    /^kms-env\.sh:2: KMS_HTTP_PORT \(hadoop\.kms\.http\.port\) must be a whole number from 0 to 65535$/,
  )
  expect(() => read('', { KMS_MAX_HTTP_HEADER_SIZE: '1' })).toThrow(
    /^environment: KMS_MAX_HTTP_HEADER_SIZE \(.*\) must be/,
  )
})

test('a script that is not there says nothing; one that cannot be read is a fault', async () => {
  expect(await readOldEnvironment('/nowhere/kms-env.sh', {})).toMatchObject({ remarks: [] })
  await expect(readOldEnvironment('/', {})).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
})
