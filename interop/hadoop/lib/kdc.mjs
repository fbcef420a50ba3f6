/** A real MIT KDC with a realm of its own on loopback, and principals with their keytabs. */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Stop } from '../../../scripts/lib/say.mjs'
import { freePort } from '../../lib/ports.mjs'

export const realm = 'TEST.LOCAL'
const path = `/usr/sbin:/sbin:${process.env.PATH}`

/** Why there can be no KDC here; undefined when there can. */
export function findMissingKdc() {
  const has = (tool) => ['/usr/sbin', '/usr/bin'].some((folder) => existsSync(join(folder, tool)))
  const missing = ['krb5kdc', 'kdb5_util', 'kadmin.local', 'kinit'].find((tool) => !has(tool))
  return missing && `${missing} is not installed`
}

/** Encryption types of a realm: those that MIT likes best, and those of RFC 8009. */
export const enctypes = {
  sha1: ['aes256-cts-hmac-sha1-96', 'aes128-cts-hmac-sha1-96'],
  sha2: ['aes256-cts-hmac-sha384-192', 'aes128-cts-hmac-sha256-128'],
}

/** Starts it with `principals`, whose keys are of `types`; `env` is for whoever talks to it. */
export async function startKdc(principals, types = enctypes.sha1) {
  const folder = mkdtempSync(join(tmpdir(), 'kdc-'))
  chmodSync(folder, 0o755)
  const port = await freePort()
  writeFileSync(
    join(folder, 'kdc.conf'),
    `[kdcdefaults]
kdc_ports = ${port}
kdc_tcp_ports = ${port}
[realms]
${realm} = {
  database_name = ${folder}/principal
  key_stash_file = ${folder}/stash
  acl_file = ${folder}/acl
  supported_enctypes = ${types.map((type) => `${type}:normal`).join(' ')}
  master_key_type = ${types[0]}
}
`,
  )
  writeFileSync(
    join(folder, 'krb5.conf'),
    `[libdefaults]
default_realm = ${realm}
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
udp_preference_limit = 1
permitted_enctypes = ${types.join(' ')}
[realms]
${realm} = {
  kdc = 127.0.0.1:${port}
}
[domain_realm]
localhost = ${realm}
`,
  )
  const env = {
    ...process.env,
    PATH: path,
    KRB5_CONFIG: join(folder, 'krb5.conf'),
    KRB5_KDC_PROFILE: join(folder, 'kdc.conf'),
    KRB5CCNAME: join(folder, 'cache'),
  }
  const run = (command, args, input) => {
    const result = spawnSync(command, args, { env, encoding: 'utf8', input })
    if (result.status !== 0) throw new Stop(`${command} ${args.join(' ')}: ${result.stderr}`)
    return result.stdout
  }
  // The master password of a database that lives a minute; it is asked for twice.
  run('kdb5_util', ['create', '-s', '-r', realm], 'minute\nminute\n')
  for (const name of principals) {
    run('kadmin.local', ['-r', realm, '-q', `addprinc -randkey ${name}`])
    run('kadmin.local', ['-r', realm, '-q', `ktadd -k ${keytabOf(folder, name)} ${name}`])
  }
  const child = spawn('krb5kdc', ['-n', '-r', realm], { env, stdio: 'ignore' })
  await sleep(500)
  if (child.exitCode !== null) throw new Stop('the KDC did not start')
  return {
    folder,
    env,
    keytab: (name) => keytabOf(folder, name),
    kinit: (name) => run('kinit', ['-k', '-t', keytabOf(folder, name), name]),
    async stop() {
      const ended = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGTERM')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function keytabOf(folder, name) {
  return join(folder, `${name.replace('/', '-')}.keytab`)
}
