import { execFileSync } from 'node:child_process'
import { appendFileSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseDatabaseUrl } from '../../../src/store/postgres/address.js'
import { openPostgresStore } from '../../../src/store/postgres/postgres-store.js'
import { enrol } from '../../support/rows.js'
import { makePrivateCluster, type PrivateCluster } from '../../support/private-cluster.js'
import { clusterUser } from '../../support/unprivileged.js'
import { withClient } from '../../support/with-postgres.js'

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** PostgreSQL over TCP with TLS and a password: what an external database is. */
describe('an external database', () => {
  let cluster: PrivateCluster
  let port: number
  let files: string

  /** Self-signed, for one host name; gives its PEM. */
  function makeCertificate(name: string): string {
    const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=${name}`
    const out = ['-keyout', join(files, `${name}.key`), '-out', join(files, `${name}.pem`)]
    const names = ['-addext', `subjectAltName=DNS:${name}`]
    execFileSync('openssl', [...words.split(' '), ...names, ...out], { stdio: 'ignore' })
    return readFileSync(join(files, `${name}.pem`), 'utf8')
  }

  beforeAll(async () => {
    cluster = await makePrivateCluster()
    port = await freePort()
    files = join(cluster.home, 'tls')
    mkdirSync(files)
    makeCertificate('localhost')
    makeCertificate('other')
    const ownedFiles = [files, join(files, 'localhost.key')]
    if (clusterUser)
      for (const file of ownedFiles) chownSync(file, clusterUser.uid, clusterUser.gid)
    await withClient(cluster.administrator, (client) =>
      client.query(`alter role keytrustee_server password 'correct horse'`),
    )
    appendFileSync(
      join(cluster.data, 'pg_hba.conf'),
      'hostssl all all 127.0.0.1/32 scram-sha-256\n',
    )
    const settings = `listen_addresses = '127.0.0.1'
port = ${port}
ssl = on
ssl_cert_file = '${join(files, 'localhost.pem')}'
ssl_key_file = '${join(files, 'localhost.key')}'
`
    writeFileSync(join(cluster.data, 'conf.d', '30-tls.conf'), settings, { mode: 0o644 })
    await cluster.stop()
    await cluster.start()
  }, 60_000)
  afterAll(() => cluster.remove(), 30_000)

  const open = (host: string, authority: string, password = 'correct horse') => {
    const url = `postgresql://keytrustee_server@${host}:${port}/keytrustee?sslmode=verify-full`
    const authorities = [readFileSync(join(files, `${authority}.pem`), 'utf8')]
    const address = parseDatabaseUrl(url, 'url', { password, authorities })
    return openPostgresStore({ address, cluster: 'external' })
  }

  it('is used when its certificate is of this host and of the authority', async () => {
    const store = await open('localhost', 'localhost')
    await enrol(store)
    await store.close()
  })

  it.each([
    ['another authority', 'localhost', 'other', /certificate that is not trusted/],
    ['another name', '127.0.0.1', 'localhost', /not trusted \(ERR_TLS_CERT_ALTNAME_INVALID\)/],
  ])('is refused with a certificate of %s', async (_case, host, authority, words) => {
    await expect(open(host, authority)).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      message: expect.stringMatching(words),
    })
  })

  it('is refused by its role when the password is wrong, which is not repeated', async () => {
    const error: unknown = await open('localhost', 'localhost', 'wrong horse').catch(
      (e: unknown) => e,
    )
    expect(error).toMatchObject({
      code: 'ERR_SETTINGS',
      message: expect.stringContaining('refuses the role keytrustee_server (SQLSTATE 28P01)'),
    })
    expect(String(error)).not.toContain('horse')
  })
})
