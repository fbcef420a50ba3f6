/** Apache Hadoop's own KMS from its published jars, to record and to compare with. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Stop } from '../../../scripts/lib/say.mjs'
import { freePort } from '../../lib/ports.mjs'
import { folder, jarsOf, startJava } from './java.mjs'

const log = `log4j.rootLogger=WARN,O
log4j.appender.O=org.apache.log4j.ConsoleAppender
log4j.appender.O.layout=org.apache.log4j.PatternLayout
log4j.appender.O.layout.ConversionPattern=%m%n
`
const property = (name, value) =>
  `<property><name>${name}</name><value>${value}</value></property>\n`

/**
 * Starts it on a free port with the ACLs of `conf/`; `url` is its base. `home`: of one that was stopped with `keep`, with its keys.
 * `properties` are added to kms-site.xml, `java` to the arguments of Java, `env` to its environment.
 */
export async function startRealKms({
  home: kept,
  properties = {},
  java = [],
  env = {},
  scheme = 'http',
  audit = false,
} = {}) {
  const home = kept ?? mkdtempSync(join(tmpdir(), 'hadoop-kms-'))
  const conf = join(home, 'conf')
  const port = await freePort()
  mkdirSync(conf, { recursive: true })
  const tls = scheme === 'https' ? makeTls(home, conf) : undefined
  const all = {
    ...(tls ? { 'hadoop.kms.ssl.enabled': 'true' } : {}),
    'hadoop.kms.http.host': '127.0.0.1',
    'hadoop.kms.http.port': port,
    'hadoop.kms.key.provider.uri': `jceks://file@${home}/kms.keystore`,
    ...properties,
  }
  const own = Object.entries(all)
    .map(([name, value]) => property(name, value))
    .join('')
  const site = readFileSync(join(folder, 'conf/kms-site.xml'), 'utf8')
  writeFileSync(
    join(conf, 'kms-site.xml'),
    site.replace('</configuration>', `${own}</configuration>`),
  )
  writeFileSync(join(conf, 'kms-acls.xml'), readFileSync(join(folder, 'conf/kms-acls.xml')))
  writeFileSync(join(conf, 'core-site.xml'), '<configuration/>')
  writeFileSync(join(home, 'log4j.properties'), audit ? log + auditLog(home) : log)
  const child = startJava(
    [conf, ...jarsOf('server')],
    [
      ...java,
      `-Dkms.config.dir=${conf}`,
      `-Dkms.log.dir=${home}`,
      `-Dlog4j.configuration=file:${home}/log4j.properties`,
      'org.apache.hadoop.crypto.key.kms.server.KMSWebServer',
    ],
    { stdio: 'ignore', env: { ...process.env, ...env } },
  )
  const url = `${scheme}://${tls ? 'localhost' : '127.0.0.1'}:${port}/kms`
  await answers({ url, ca: tls }, child).catch((error) => {
    child.kill('SIGKILL')
    rmSync(home, { recursive: true, force: true })
    throw error
  })
  return {
    url,
    ca: tls,
    pid: child.pid,
    home,
    keystore: join(home, 'kms.keystore'),
    async stop({ keep = false } = {}) {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise((resolve) => child.once('exit', resolve))
        child.kill('SIGKILL')
        await ended
      }
      if (!keep) rmSync(home, { recursive: true, force: true })
    },
  }
}

/** Its audit, written as its own log4j.properties has it. */
function auditLog(home) {
  return `log4j.logger.kms-audit=INFO, A
log4j.additivity.kms-audit=false
log4j.appender.A=org.apache.log4j.DailyRollingFileAppender
log4j.appender.A.DatePattern='.'yyyy-MM-dd
log4j.appender.A.File=${home}/kms-audit.log
log4j.appender.A.Append=true
log4j.appender.A.layout=org.apache.log4j.PatternLayout
log4j.appender.A.layout.ConversionPattern=%d{ISO8601} %m%n
`
}

/** A pair for `localhost` in a keystore, and ssl-server.xml naming it; returns the certificate. */
function makeTls(home, conf) {
  const keystore = join(home, 'tls.p12')
  const password = 'for-a-minute'
  const common = [
    '-keystore',
    keystore,
    '-storetype',
    'PKCS12',
    '-storepass',
    password,
    '-alias',
    'kms',
  ]
  const keytool = (args) => {
    const result = spawnSync('keytool', [...args, ...common], { encoding: 'utf8' })
    if (result.status !== 0) throw new Stop(`keytool: ${result.stdout}${result.stderr}`)
    return result.stdout
  }
  keytool([
    '-genkeypair',
    '-keyalg',
    'EC',
    '-groupname',
    'secp256r1',
    '-dname',
    'CN=localhost',
    '-ext',
    'san=dns:localhost',
    '-validity',
    '2',
  ])
  const pairs = { location: keystore, password, keypassword: password, type: 'PKCS12' }
  const lines = Object.entries(pairs).map(([name, value]) =>
    property(`ssl.server.keystore.${name}`, value),
  )
  writeFileSync(join(conf, 'ssl-server.xml'), `<configuration>${lines.join('')}</configuration>`)
  return keytool(['-exportcert', '-rfc'])
}

/** Over TLS a connection is enough of an answer: the first request tells the rest. */
async function answers({ url, ca }, child) {
  if (ca) return accepts(new URL(url), child)
  for (let tries = 0; tries < 240; tries += 1) {
    if (child.exitCode !== null) break
    const reply = await fetch(`${url}/v1/keys/names?user.name=alice`).catch(() => undefined)
    // Kerberos does not care for names in the query.
    if (reply?.ok || reply?.status === 401) return
    await sleep(250)
  }
  throw new Stop('hadoop: the KMS of Apache Hadoop did not start')
}

async function accepts({ hostname: host, port }, child) {
  for (let tries = 0; tries < 240 && child.exitCode === null; tries += 1) {
    const socket = connect({ host, port })
    const reached = await once(socket, 'connect').catch(() => undefined)
    socket.destroy()
    if (reached) return
    await sleep(250)
  }
  throw new Stop('hadoop: the KMS of Apache Hadoop did not start')
}
