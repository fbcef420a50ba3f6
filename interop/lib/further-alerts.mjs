/**
 * Faults that no section of outage.md is about, each with the alerts that it fires. `make` returns what cures it; after a
 * fault that is `lasting`, its alerts go on for a time by design.
 */
import { spawnSync } from 'node:child_process'
import { renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { hostPidOf, kill } from '../faults/lib/processes.mjs'
import { idsOf } from '../ha/identities.mjs'
import { setLine } from './setting-lines.mjs'

const services = {
  keyhsm: { log: 'keyhsm/log/keyhsm.log', user: 'keyhsm', reload: 'keyhsm reload' },
  keytrustee: {
    log: 'keytrustee/log/keytrustee-server.log',
    user: 'keytrustee',
    reload: 'keytrustee-server reload',
  },
  kms: {
    log: 'keytrustee-kms/log/keytrustee-kms.log',
    user: 'keytrustee-kms',
    reload: 'keytrustee-kms reload',
  },
}

const certificateAlerts = (name) => [`${name}CertificateEnds`, `${name}CertificateEndsNow`]

/** @type {{ name: string, alerts: string[], lasting?: boolean, needsDisks?: boolean, make: (stack: any) => Promise<() => Promise<unknown>> }[]} */
export const furtherFaults = [
  {
    name: 'a log that cannot be written',
    alerts: ['KeyHsmLogLosesLines', 'KeytrusteeLogLosesLines', 'KeytrusteeKmsLogLosesLines'],
    async make(stack) {
      const all = Object.values(services)
      // The file is looked at once a second at most; a reload is said in the log.
      const speak = () => stack.run(`sleep 1.1; ${all.map(({ reload }) => reload).join('; ')}`)
      const cures = all.map((service) => loseLog(stack, service))
      await speak()
      return async () => {
        for (const cure of cures) cure()
        await speak()
      }
    },
  },
  {
    name: 'a trusted certificate that ends',
    alerts: certificateAlerts('KeyHsm'),
    async make(stack) {
      const { certificate } = await makePair(stack, 'ends-soon')
      await stack.run(`keyhsm trust ${certificate} --realm other`)
      const fingerprint = await fingerprintOf(stack, certificate)
      return () => stack.run(`keyhsm trust --remove ${fingerprint}`)
    },
  },
  {
    name: 'a server’s certificate that ends',
    alerts: certificateAlerts('Keytrustee'),
    async make(stack) {
      const { certificate, key } = await makePair(stack, 'short')
      await stack.run(`ktadmin cert replace --cert ${certificate} --key ${key}`)
      return () => stack.run('ktadmin cert renew')
    },
  },
  {
    name: 'a KMS’s certificate that ends',
    alerts: certificateAlerts('KeytrusteeKms'),
    async make(stack) {
      const pair = await makePair(stack, 'kms')
      const files = { pem: pair.certificate, key: pair.key }
      const at = (kind) => join(stack.home, 'keytrustee-kms/tls', `kms.${kind}`)
      const reload = () => stack.run('keytrustee-kms reload')
      for (const [kind, file] of Object.entries(files)) {
        renameSync(at(kind), `${at(kind)}.away`)
        renameSync(file, at(kind))
        own(stack, at(kind), 'keytrustee-kms')
      }
      await reload()
      return async () => {
        for (const kind of Object.keys(files)) renameSync(`${at(kind)}.away`, at(kind))
        await reload()
      }
    },
  },
  {
    name: 'a full disk of a KMS',
    alerts: ['KeytrusteeKmsAuditStopped', 'KeytrusteeKmsDiskFilling'],
    needsDisks: true,
    async make(stack) {
      const free = stack.disks.fill('kms')
      while ((await listKmsKeys(stack)) === '200');
      return async () => {
        free()
        while ((await listKmsKeys(stack)) !== '200');
      }
    },
  },
  {
    name: 'an HSM that cannot sign',
    alerts: ['KeyHsmAuditUnsigned'],
    async make(stack) {
      const tokens = join(stack.home, 'tokens')
      renameSync(tokens, `${tokens}.away`)
      await kill(hostPidOf(stack))
      // Something to sign, and an order to do it now instead of within a minute.
      await stack.run('keytrustee get kept', { exit: 69 })
      await stack.run('keyhsm audit public-key', { exit: 'any' })
      return async () => {
        renameSync(`${tokens}.away`, tokens)
        await stack.run('until keyhsm audit public-key; do sleep 0.5; done')
      }
    },
  },
  {
    name: 'services that are gone',
    alerts: ['KeytrusteeDown', 'KeytrusteeKmsDown'],
    async make(stack) {
      await stack.run('keytrustee-kms stop; keytrustee-server stop')
      return () => stack.run('keytrustee-server start && keytrustee-kms start')
    },
  },
  {
    name: 'a realm that opens too much',
    alerts: ['KeyHsmOpensUnusual'],
    lasting: true,
    async make(stack) {
      setLine(stack, 'keyhsm.open.alarm', '1')
      await stack.run('keyhsm reload; keytrustee get kept')
      return async () => {
        setLine(stack, 'keyhsm.open.alarm', '0')
        await stack.run('keyhsm reload')
      }
    },
  },
  {
    name: 'a migration whose Key HSM is gone',
    alerts: ['KeytrusteeMigrationWaits'],
    async make(stack) {
      // Slow enough to be met in its midst.
      setLine(stack, 'keyhsm.reseal.rate', '1')
      await stack.run('keyhsm reload; for n in 1 2 3 4; do echo x | keytrustee put move-$n -; done')
      await stack.run('ktadmin migrate --scope organisation --yes --no-wait; keyhsm stop')
      return async () => {
        setLine(stack, 'keyhsm.reseal.rate', '0')
        await stack.run('keyhsm start; ktadmin migrate resume; ktadmin migrate rollback --yes')
      }
    },
  },
]

/** A KMS in the home of a stack, on loopback; its metrics as a monitor reaches them. */
export async function addKms(stack, port) {
  stack.kmsPort = port
  const fingerprint = await stack.serverFingerprint()
  await stack.run(
    `keytrustee-kms init --server ${stack.url} --org demo --auth-file ${stack.authFile} --server-fingerprint ${fingerprint} --port ${port}`,
  )
  setLine(stack, 'keytrustee-kms.host', '127.0.0.1', 'keytrustee-kms/kms.properties')
  await stack.run('keytrustee-kms start')
}

/** The status that a Hadoop client gets. */
async function listKmsKeys(stack) {
  const authority = join(stack.home, 'keytrustee-kms/tls/kms.pem')
  const url = `https://localhost:${stack.kmsPort}/kms/v1/keys/names?user.name=monitor`
  const { stdout } = await stack.run(
    `curl -s -o ${stack.home}/names -w '%{http_code}' --cacert ${authority} '${url}'`,
    { quiet: true },
  )
  return stdout.trim()
}

/** Every line goes where there is never room. @returns brings the file back */
function loseLog(stack, { log, user }) {
  const file = join(stack.home, log)
  renameSync(file, `${file}.away`)
  symlinkSync('/dev/full', file)
  own(stack, file, user)
  return () => {
    rmSync(file)
    renameSync(`${file}.away`, file)
  }
}

/** For five days. */
async function makePair(stack, name) {
  const [key, certificate] = ['key', 'pem'].map((kind) => join(stack.home, `${name}.${kind}`))
  const extensions =
    '-addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost,IP:127.0.0.1'
  await stack.run(
    `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ${key} -out ${certificate} -days 5 -subj /CN=${name} ${extensions} 2>&1`,
  )
  return { certificate, key }
}

async function fingerprintOf(stack, certificate) {
  const { stdout } = await stack.run(`openssl x509 -in ${certificate} -noout -fingerprint -sha256`)
  return stdout.trim().split('=')[1].replaceAll(':', '').toLowerCase()
}

function own(stack, path, user) {
  if (!stack.isRoot) return
  const [uid, gid] = idsOf(user)
  // The link itself, where it is one.
  spawnSync('chown', ['-h', `${uid}:${gid}`, path])
}
