/** Apache Hadoop's own KMS from its published jars, to record and to compare with. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
export async function startRealKms({ home: kept, properties = {}, java = [], env = {} } = {}) {
  const home = kept ?? mkdtempSync(join(tmpdir(), 'hadoop-kms-'))
  const conf = join(home, 'conf')
  const port = await freePort()
  mkdirSync(conf, { recursive: true })
  const all = {
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
  writeFileSync(join(home, 'log4j.properties'), log)
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
  const url = `http://127.0.0.1:${port}/kms`
  await answers(url, child).catch((error) => {
    child.kill('SIGKILL')
    rmSync(home, { recursive: true, force: true })
    throw error
  })
  return {
    url,
    home,
    keystore: join(home, 'kms.keystore'),
    async stop({ keep = false } = {}) {
      const ended = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGKILL')
      await ended
      if (!keep) rmSync(home, { recursive: true, force: true })
    },
  }
}

async function answers(url, child) {
  for (let tries = 0; tries < 240; tries += 1) {
    if (child.exitCode !== null) break
    const reply = await fetch(`${url}/v1/keys/names?user.name=alice`).catch(() => undefined)
    // Kerberos does not care for names in the query.
    if (reply?.ok || reply?.status === 401) return
    await sleep(250)
  }
  throw new Stop('hadoop: the KMS of Apache Hadoop did not start')
}
