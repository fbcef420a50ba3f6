/** Kerberos with a real MIT KDC: curl negotiates, Hadoop's Java client logs in, acts for others, gets, renews and cancels tokens. */
import { appendFileSync, chmodSync, copyFileSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { clientPath, folder, runJava } from './lib/java.mjs'
import { enctypes, startKdc } from './lib/kdc.mjs'
import { startOurKms } from './lib/our-kms.mjs'

const site = `<configuration>
<property><name>hadoop.kms.authentication.type</name><value>kerberos</value></property>
<property><name>hadoop.kms.authentication.kerberos.principal</name><value>*</value></property>
<property><name>hadoop.kms.authentication.kerberos.keytab</name><value>KEYTAB</value></property>
<property><name>hadoop.kms.proxyuser.hdfs.users</name><value>alice</value></property>
<property><name>hadoop.kms.proxyuser.hdfs.hosts</name><value>127.0.0.1</value></property>
</configuration>
`

/** The line that says what held. @throws Error naming what did not. */
export async function kerberos() {
  const kms = await startOurKms()
  try {
    for (const types of [enctypes.sha2, enctypes.sha1]) await checkRealm(kms, types)
    return 'kerberos: negotiate proxy token renew cancel ok (sha1 and sha2)'
  } finally {
    await kms.stop()
  }
}

/** With a KDC that knows these encryption types and no others. */
async function checkRealm(kms, types) {
  const kdc = await startKdc(['HTTP/localhost', 'alice', 'hdfs', 'yarn'], types)
  try {
    await useKerberos(kms, kdc)
    checkCurl(kms, kdc)
    await checkJava(kms, kdc)
    await removeKey(kms)
  } finally {
    await kdc.stop()
  }
}

/** So that the next realm finds what this one found. */
async function removeKey({ stack, home, port }) {
  writeFileSync(join(home, 'conf/kms-site.xml'), '<configuration/>')
  await stack.run('keytrustee-kms stop')
  await stack.run('keytrustee-kms start')
  const url = `http://localhost:${port}/kms/v1/key/kerb?user.name=alice`
  require((await fetch(url, { method: 'DELETE' })).ok, 'the key of this realm is removed')
}

async function useKerberos({ stack, home }, kdc) {
  const keytab = join(home, 'conf/http.keytab')
  copyFileSync(kdc.keytab('HTTP/localhost'), keytab)
  chmodSync(keytab, 0o600)
  await stack.run(`chown --reference=${home}/kms.properties ${keytab}`)
  writeFileSync(join(home, 'conf/kms-site.xml'), site.replace('KEYTAB', keytab))
  appendFileSync(join(home, 'kms.properties'), '')
  await stack.run('keytrustee-kms stop')
  await stack.run(`KRB5_CONFIG=${kdc.env.KRB5_CONFIG} keytrustee-kms start`)
}

function checkCurl({ port }, kdc) {
  const url = `http://localhost:${port}/kms/v1/keys/names`
  const curl = (args) =>
    spawnSync('curl', ['-s', '-i', ...args, url], { env: kdc.env, encoding: 'utf8' }).stdout
  require(curl([]).includes('401 Authentication required'), 'curl without a ticket is refused')
  kdc.kinit('alice')
  const got = curl(['--negotiate', '-u', ':'])
  require(/200 OK[\s\S]*\[\]/.test(got), `curl --negotiate: ${got}`)
  require(got.includes(
    'u=alice&p=alice@TEST.LOCAL&t=kerberos-dt',
  ), 'the cookie names the principal')
  require(/www-authenticate: Negotiate \S{20}/i.test(got), 'the service proves itself')
  const garbage = curl(['-H', 'Authorization: Negotiate YIIabcd'])
  require(garbage.includes('403 Defective token detected'), `garbage: ${garbage}`)
}

async function checkJava({ port }, kdc) {
  const driver = join(folder, 'java/KerberosDriver.java')
  const args = [
    `-Djava.security.krb5.conf=${kdc.env.KRB5_CONFIG}`,
    driver,
    `kms://http@localhost:${port}/kms`,
    ...['alice', 'hdfs', 'yarn'].map((name) => kdc.keytab(name)),
  ]
  const out = await runJava(clientPath(), args)
  require(out.trim().endsWith('all ok'), `the Java client: ${out}`)
}

function require(holds, what) {
  if (!holds) throw new Error(what)
}
