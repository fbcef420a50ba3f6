/** Server, client and KMS beside Key HSM: installed, used, killed, upgraded, removed, purged. */
import { gone, installDebs, installRpms, makeToken, owner, rpmTool, verifyUnit } from './steps.mjs'
import { Unit } from './unit.mjs'

const home = '/var/lib/keytrustee'
const files = `${home}/.keytrustee`
const kmsHome = '/var/lib/keytrustee-kms'
const logs = ['/var/log/keytrustee', '/var/log/keytrustee-kms']
const names = ['keyhsm-trustee-server', 'keyhsm-trustee-client', 'keyhsm-trustee-kms']
const commands = [
  'keytrustee-server',
  'ktadmin',
  'keytrustee-orgtool',
  'keytrustee',
  'keytrustee-kms',
]
/** What an upgrade and a purge must leave bit for bit. */
const precious = [
  `${files}/.ssl`,
  `${files}/.ca`,
  `${files}/grant.key`,
  `${files}/audit.key`,
  `${files}/join.json`,
  `${kmsHome}/client`,
  `${kmsHome}/tls`,
  `${kmsHome}/audit.key`,
]

export async function trusteeDeb({ machine, check, files: built }) {
  const [first, second] = built.versions.map((version) => built[`deb ${version}`])
  const said = installDebs(machine, first)
  check(
    'installed, each says what is next',
    /ktadmin init/.test(said) && /keytrustee-kms init/.test(said),
  )
  check(
    'users of their own',
    machine.sh('id -un keytrustee; id -un keytrustee-kms').includes('keytrustee-kms'),
  )
  check('home and logs', checkFolders(machine))
  for (const unit of ['keytrusteed.service', 'keytrustee-kms.service'])
    check(`${unit} reads well`, verifyUnit(machine, unit))
  check(
    'logrotate files are conffiles',
    machine
      .sh("dpkg-query -W -f '${Conffiles}' keyhsm-trustee-server")
      .includes('/etc/logrotate.d/'),
  )
  use({ machine, check })
  await comeBack({ machine, check })
  const before = machine.fingerprint(precious)
  machine.sh('echo "# a line of the operator" >> /etc/logrotate.d/keyhsm-trustee-server')
  installDebs(machine, second)
  check(
    'upgraded',
    machine.sh('dpkg -s keyhsm-trustee-server').includes(`Version: ${built.versions[1]}\n`),
  )
  check(
    'a changed conffile stays',
    machine.sh('cat /etc/logrotate.d/keyhsm-trustee-server').includes('of the operator'),
  )
  for (const service of ['keyhsm', 'keytrustee-server', 'keytrustee-kms'])
    machine.sh(`${service} restart`)
  check('restarted: the deposit comes back', getDeposit(machine))
  check('the KMS serves on', kmsServes(machine))
  check('keys, certificates and join as before', machine.fingerprint(precious) === before)
  leave({ machine, check })
  installDebs(machine, second)
  for (const service of ['keyhsm', 'keytrustee-server', 'keytrustee-kms'])
    machine.sh(`${service} start`)
  check('installed again: the deposit comes back', getDeposit(machine))
  stopAll(machine)
}

function checkFolders(machine) {
  return (
    owner(machine, home) === 'drwxr-xr-x keytrustee' &&
    owner(machine, logs[0]) === 'drwxr-x--- keytrustee' &&
    owner(machine, kmsHome) === 'drwxr-xr-x keytrustee-kms' &&
    owner(machine, logs[1]) === 'drwxr-x--- keytrustee-kms'
  )
}

/** From nothing to a deposit and a zone key, all of it typed as root. */
function use({ machine, check }) {
  makeToken(machine)
  machine.sh(
    'keyhsm setup softhsm --token-label keytrustee --pin-file /root/pin --service-port 0 && keyhsm start',
  )
  check(
    'ktadmin init, as root',
    machine.sh('ktadmin init --address 127.0.0.1').includes('Dropped privileges to keytrustee'),
  )
  machine.sh('ktadmin db bootstrap')
  check('a database of its own', machine.sh(`cat ${files}/db/data/PG_VERSION`).trim() === '15')
  machine.sh(`keyhsm trust ${files}/.ssl/ssl-cert-keytrustee-keyhsm-client.pem --realm default`)
  check('keytrustee-server start', machine.sh('keytrustee-server start').includes('is ready on'))
  machine.sh(
    `ktadmin keyhsm --server https://127.0.0.1:9090 --trust --fingerprint ${statusOf(machine, 'keyhsm').certificateFingerprint}`,
  )
  machine.sh(
    'ktadmin org add demo --json 2>/dev/null | sed -n \'s/.*"authSecret": "\\(.*\\)".*/\\1/p\' > /root/auth && chmod 600 /root/auth',
  )
  const server = `--server https://127.0.0.1:11371 --org demo --auth-file /root/auth --server-fingerprint ${fingerprint(machine)}`
  machine.sh(`keytrustee register ${server}`)
  machine.sh('printf in-the-box | keytrustee put box -')
  check('a deposit comes back', getDeposit(machine))
  check(
    'keytrustee-kms init, as root',
    machine
      .sh(`keytrustee-kms init ${server} --host localhost`)
      .includes('Dropped privileges to keytrustee-kms'),
  )
  check('keytrustee-kms start', machine.sh('keytrustee-kms start').includes('is ready on'))
  machine.sh(`${askKms} -d '{"name":"zone"}' 'https://localhost:9600/kms/v1/keys?user.name=hdfs'`)
  check('the KMS serves', kmsServes(machine))
  check('logs at their place', machine.sh(`ls ${logs.join(' ')}`).includes('keytrustee-server.log'))
  check(
    'nothing of the homes and logs is root’s',
    machine.sh(`find ${home} ${kmsHome} ${logs.join(' ')} -user root`) === '',
  )
}

/** As systemd would run the units: killed by SIGKILL, each is there again, and nobody was asked for anything. */
async function comeBack({ machine, check }) {
  machine.sh('keytrustee-kms stop; keytrustee-server stop')
  const units = ['keytrusteed.service', 'keytrustee-kms.service'].map(
    (name) => new Unit(machine, name),
  )
  try {
    for (const unit of units) await unit.start()
    check('the units say that they are ready', getDeposit(machine) && kmsServes(machine))
    for (const unit of units) {
      const before = unit.pid
      await unit.killAndRestart()
      check(`${unit.name}: killed, and ready again without a person`, unit.pid !== before)
    }
    check('the deposit and the KMS are there', getDeposit(machine) && kmsServes(machine))
    for (const unit of units)
      check(`${unit.name}: the watchdog hears of it`, await unit.hears('WATCHDOG=1'))
    check(
      'still nothing is root’s',
      machine.sh(`find ${home} ${kmsHome} ${logs.join(' ')} -user root`) === '',
    )
  } finally {
    for (const unit of units.reverse()) await unit.stop()
  }
  machine.sh('keytrustee-server start; keytrustee-kms start')
}

function leave({ machine, check }) {
  stopAll(machine)
  const kept = [home, kmsHome, ...logs]
  const before = machine.fingerprint(kept)
  machine.sh(`dpkg --remove ${names.join(' ')}`)
  check('removed: no command, no unit', gone(machine, placesOf()))
  check('removed: database, keys, audit, logs as they were', machine.fingerprint(kept) === before)
  const said = machine.sh(`dpkg --purge ${names.join(' ')}`)
  check('purged: database, keys, audit, logs as they were', machine.fingerprint(kept) === before)
  check('purged: what is kept is said', said.includes(`kept: database, keys and audit in ${home}`))
}

function placesOf() {
  return [
    ...commands.map((name) => `/usr/bin/${name}`),
    ...names.map((name) => `/usr/lib/${name}`),
    '/usr/lib/systemd/system/keytrusteed.service',
    '/usr/lib/systemd/system/keytrustee-kms.service',
  ]
}

/** The old product's home and commands: named, and bit for bit the same from installation to purge. */
export function trusteeBesideOther({ machine, check, files: built }) {
  const [first, second] = built.versions.map((version) => built[`deb ${version}`])
  machine.sh(`useradd --system --home-dir ${home} --shell /bin/false keytrustee`)
  for (const name of ['secring.gpg', 'pubring.gpg', 'trustdb.gpg', 'db/PG_VERSION'])
    machine.write(`${files}/${name}`, 'of another product\n')
  for (const name of ['ktadmin', 'keytrustee'])
    machine.write(`/usr/bin/${name}`, '#!/bin/sh\n', 0o755)
  machine.write('/etc/logrotate.d/keytrustee-server', '# of another product\n')
  machine.sh(`chown -R keytrustee:keytrustee ${home} && chmod 700 ${files}`)
  const theirs = [
    home,
    '/usr/bin/ktadmin',
    '/usr/bin/keytrustee',
    '/etc/logrotate.d/keytrustee-server',
  ]
  const before = machine.fingerprint(theirs)
  const said = installDebs(machine, first)
  check(
    'its files are named',
    ['secring.gpg', 'pubring.gpg', 'db'].every((name) => said.includes(`${files}/${name}`)),
  )
  check(
    'its commands are named',
    said.includes('/usr/bin/ktadmin belongs') && said.includes('/usr/bin/keytrustee belongs'),
  )
  const refused = machine.sh('/usr/lib/keyhsm-trustee-server/ktadmin init', { exit: 1 })
  check(
    'ktadmin init stops and names them',
    refused.includes(`${files}/secring.gpg`) && refused.includes('nothing was changed'),
  )
  check(
    'used in another place',
    machine
      .sh('/usr/lib/keyhsm-trustee-server/ktadmin init --home /srv/kt')
      .includes('made grant.key'),
  )
  installDebs(machine, second)
  machine.sh(`dpkg --purge ${names.join(' ')}`)
  check('nothing of it changed, from installation to purge', machine.fingerprint(theirs) === before)
}

/** The rpms of the same trees; on a Debian still, as for Key HSM. */
export function trusteeRpm({ machine, check, files: built }) {
  const [first, second] = built.versions.map((version) => built[`rpm ${version}`])
  installRpms(machine, first, '-i')
  check('home and logs', checkFolders(machine))
  const list = rpmTool(machine, ['-ql', ...names])
  check(
    'units, programs, documents',
    [
      'keytrusteed.service',
      'keytrustee-kms.service',
      'keyhsm-trustee-client/keytrustee',
      'operations/upgrades.md',
    ].every((name) => list.includes(name)),
  )
  check(
    'logrotate files are configuration',
    rpmTool(machine, ['-qc', ...names]).includes('/etc/logrotate.d/keyhsm-trustee-kms'),
  )
  use({ machine, check })
  const before = machine.fingerprint(precious)
  installRpms(machine, second, '-U')
  for (const service of ['keyhsm', 'keytrustee-server', 'keytrustee-kms'])
    machine.sh(`${service} restart`)
  check(
    'upgraded and restarted: the deposit comes back, the KMS serves',
    getDeposit(machine) && kmsServes(machine),
  )
  check('keys, certificates and join as before', machine.fingerprint(precious) === before)
  stopAll(machine)
  const kept = [home, kmsHome, ...logs]
  const all = machine.fingerprint(kept)
  rpmTool(machine, ['-e', ...names])
  check('erased: no command, no unit', gone(machine, placesOf()))
  check('erased: database, keys, audit, logs as they were', machine.fingerprint(kept) === all)
}

function getDeposit(machine) {
  return machine.sh('keytrustee get box 2>/dev/null') === 'in-the-box'
}

/** As Hadoop asks it: the zone key that was made is in its list. */
function kmsServes(machine) {
  return (
    statusOf(machine, 'keytrustee-kms').healthy === true &&
    machine.sh(`${askKms} 'https://localhost:9600/kms/v1/keys/names?user.name=hdfs'`) === '["zone"]'
  )
}

const askKms = `curl -s --cacert ${kmsHome}/tls/kms.pem -H 'content-type: application/json'`

function statusOf(machine, program) {
  return JSON.parse(machine.sh(`${program} status --json 2>/dev/null`))
}

function fingerprint(machine) {
  const text = machine.sh(
    `openssl x509 -in ${files}/.ssl/ssl-cert-keytrustee.pem -noout -fingerprint -sha256`,
  )
  return text.split('=')[1].trim().replaceAll(':', '').toLowerCase()
}

function stopAll(machine) {
  for (const service of ['keytrustee-kms', 'keytrustee-server', 'keyhsm'])
    machine.sh(`${service} stop`, { exit: 'any' })
}
