#!/usr/bin/env node
/**
 * `npm run package:test [-- --only WORDS]`: installs, uses, upgrades and purges the Debian packages in a fresh small Debian
 * (debootstrap and chroot), then where another product lies in their place, then the rpms of the same trees. Needs root,
 * debootstrap and rpm.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { runMain, say, Stop } from '../scripts/lib/say.mjs'
import { root } from '../scripts/lib/sources.mjs'
import { Machine, makeArchive } from './machine.mjs'
import { gone, installDebs, installRpms, makeToken, owner, rpmTool, verifyUnit } from './steps.mjs'
import { trusteeBesideOther, trusteeDeb, trusteeRpm } from './trustee-trial.mjs'

const manualHome = '/usr/share/keytrustee-server-keyhsm'
const ownHome = '/var/lib/keyhsm'
const versions = ['0.1.0', '0.1.1']

const trials = {
  'deb of Key HSM on a fresh machine': onlyKeyHsm(fresh),
  'deb of Key HSM beside another product': onlyKeyHsm(besideOther),
  'rpm of Key HSM': onlyKeyHsm(rpm),
  'debs of all on a fresh machine': trusteeDeb,
  'debs of all beside another product': trusteeBesideOther,
  'rpms of all': trusteeRpm,
}

await runMain(async () => {
  requireTools()
  const folder = mkdtempSync(join(tmpdir(), 'keyhsm-packages-'))
  const base = makeArchive()
  const counts = { passed: 0, failed: 0 }
  try {
    const files = buildAll(folder)
    for (const [name, test] of Object.entries(trials).filter(isWanted))
      await runOne(name, test, { base, files, counts })
  } finally {
    base.remove()
    rmSync(folder, { recursive: true, force: true })
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed, 0 skipped`)
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1
})

function isWanted([name]) {
  const at = process.argv.indexOf('--only')
  return at < 0 || name.includes(process.argv[at + 1])
}

/** On a machine that has no other package of ours. */
function onlyKeyHsm(test) {
  const ours = (name) => /^keyhsm(-node)?[_-]\d/.test(basename(name))
  return ({ files, ...o }) =>
    test({
      ...o,
      files: Object.fromEntries(
        Object.entries(files).map(([key, list]) => [key, list.filter(ours)]),
      ),
    })
}

function requireTools() {
  if (process.getuid() !== 0) throw new Stop('package:test: needs root, for chroot and mount')
  for (const tool of ['debootstrap', 'dpkg-deb', 'rpmbuild', 'rpm', 'chroot', 'mount']) {
    if (spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0) {
      throw new Stop(`package:test: ${tool} is missing: apt-get install debootstrap rpm`)
    }
  }
}

/** Both forms in two versions, the second only to be upgraded to; by version and form. */
function buildAll(folder) {
  const files = { versions }
  for (const version of versions) {
    for (const form of ['deb', 'rpm']) {
      say(`package:test: building the ${form} of ${version}`)
      const command = ['packaging/build.mjs', form, '--out', folder, '--version', version, '--fast']
      const result = spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8' })
      if (result.status !== 0) throw new Stop(result.stderr)
      files[`${form} ${version}`] = result.stdout.trim().split('\n')
    }
  }
  return files
}

async function runOne(name, test, { base, files, counts }) {
  const machine = new Machine(base.archive)
  const check = (what, holds) => {
    counts[holds ? 'passed' : 'failed'] += 1
    console.log(`${holds ? 'ok    ' : 'FAILED'} ${name}: ${what}`)
  }
  try {
    await test({ machine, check, files })
  } catch (error) {
    counts.failed += 1
    console.log(`FAILED ${name}: ${error.message}`)
  } finally {
    machine.remove()
  }
}

function fresh({ machine, check, files }) {
  const installed = installDebs(machine, files[`deb ${versions[0]}`])
  check('installed', installed.includes('next: keyhsm setup'))
  check('user keyhsm exists', machine.sh('id keyhsm').includes('keyhsm'))
  check('home of the manual', owner(machine, manualHome) === 'drwx------ keyhsm')
  check('log folder of the manual', owner(machine, '/var/log/keyhsm') === 'drwxr-x--- keyhsm')
  check('usage text', machine.sh('keyhsm').includes('keyHsm service usage:'))
  check('unit reads well', verifyUnit(machine, 'keyhsm.service'))
  use({ machine, check, home: manualHome, log: '/var/log/keyhsm/keyhsm.log' })
  const before = machine.fingerprint([`${manualHome}/keystore`, `${manualHome}/truststore`])
  const status = statusOf(machine)
  installDebs(machine, files[`deb ${versions[1]}`])
  check('upgraded', machine.sh('dpkg -s keyhsm').includes(`Version: ${versions[1]}\n`))
  check('the running service serves on', statusOf(machine).pid === status.pid)
  machine.sh('service keyhsm restart')
  const after = statusOf(machine)
  check(
    'restarted as another process with the same partition',
    after.pid !== status.pid && after.canary === status.canary,
  )
  check(
    'keys and trust as before',
    machine.fingerprint([`${manualHome}/keystore`, `${manualHome}/truststore`]) === before,
  )
  leave({ machine, check, home: manualHome, log: '/var/log/keyhsm' })
  installDebs(machine, files[`deb ${versions[1]}`])
  machine.sh('service keyhsm start')
  check(
    'installed again, the service runs with what was kept',
    statusOf(machine).canary === status.canary,
  )
  machine.sh('service keyhsm stop')
}

/** Set up on a SoftHSM token by the init script, trusted, validated, run, asked. */
function use({ machine, check, home, log }) {
  makeToken(machine)
  const setup = machine.sh(
    'service keyhsm setup softhsm --token-label keytrustee --pin-file /root/pin --service-port 0',
  )
  check(
    'service keyhsm setup softhsm',
    setup.includes("Configuration saved in 'application.properties' file"),
  )
  check('settings at their place', machine.sh(`ls ${home}`).includes('application.properties'))
  check('nothing below the home is root’s', machine.sh(`find ${home} -user root`) === '')
  makeCertificate(machine)
  check(
    'keyhsm trust',
    machine.sh('keyhsm trust /root/kts.pem --realm default').includes('fingerprint:'),
  )
  check('keyhsm validate', machine.sh('keyhsm validate').includes('[ Successful ]'))
  check('service keyhsm start', machine.sh('service keyhsm start').includes('is ready on'))
  const status = statusOf(machine)
  check(
    'ready, on the ports of the manual',
    status.state === 'ready' &&
      status.listener === '127.0.0.1:9090' &&
      status.management === '127.0.0.1:9899',
  )
  check('runs as keyhsm', machine.sh(`stat -c %U /proc/${status.pid}`).trim() === 'keyhsm')
  check('a Trustee Server is let in', askAsTrustee(machine).includes('"realm":"default"'))
  check('service keyhsm reload', machine.sh('service keyhsm reload').length > 0)
  check('log at its place', machine.sh(`cat ${log}`).includes('is ready'))
  check('keyhsm keys list', machine.sh('keyhsm keys list').includes('canary-'))
}

/** Removed, then purged: programs go, what setup and the service made stays. */
function leave({ machine, check, home, log }) {
  machine.sh('service keyhsm stop')
  const kept = [`${home}`, log]
  const before = machine.fingerprint(kept)
  machine.sh('dpkg --remove keyhsm')
  check(
    'removed: no command, no init script, no unit',
    gone(machine, [
      '/usr/bin/keyhsm',
      '/etc/init.d/keyhsm',
      '/usr/lib/systemd/system/keyhsm.service',
      '/usr/lib/keyhsm',
    ]),
  )
  check('removed: settings, keys, audit, logs as they were', machine.fingerprint(kept) === before)
  machine.sh('dpkg --purge keyhsm')
  check('purged: settings, keys, audit, logs as they were', machine.fingerprint(kept) === before)
}

/** The old product's tree: everything stays bit for bit, from installation to purge. */
function besideOther({ machine, check, files }) {
  makeOldProduct(machine)
  const folders = [manualHome, '/var/log/keyhsm', '/etc/init.d/keyhsm', '/usr/bin/keyhsm']
  const before = machine.fingerprint(folders)
  const said = installDebs(machine, files[`deb ${versions[0]}`])
  check(
    'the other product is named',
    said.includes(`another product is installed in ${manualHome}`),
  )
  check(
    'its files are named',
    ['start.sh', 'nCipherKM.jar', 'application.properties'].every((name) =>
      said.includes(`${manualHome}/${name}`),
    ),
  )
  check('its NFAST_SERVER_PORT is named', said.includes('NFAST_SERVER_PORT=11500'))
  check(
    'its command and its init script are named',
    said.includes('/etc/init.d/keyhsm belongs') && said.includes('/usr/bin/keyhsm belongs'),
  )
  check('nothing of it changed by the installation', machine.fingerprint(folders) === before)
  makeToken(machine)
  check(
    'setup thales takes over its port of the hardserver',
    machine
      .sh('/usr/lib/keyhsm/keyhsm setup thales --library /x.so --pin-file /root/pin --dry-run')
      .includes('thales.nfast_server_port=11500'),
  )
  machine.sh(
    '/usr/lib/keyhsm/keyhsm setup softhsm --token-label keytrustee --pin-file /root/pin --service-port 0',
  )
  machine.sh('/usr/lib/keyhsm/keyhsm start')
  check(
    'used beside it',
    JSON.parse(machine.sh('/usr/lib/keyhsm/keyhsm status --json 2>/dev/null')).state === 'ready',
  )
  machine.sh('/usr/lib/keyhsm/keyhsm stop')
  check('nothing of it changed by setup and start', machine.fingerprint(folders) === before)
  installDebs(machine, files[`deb ${versions[1]}`])
  machine.sh('dpkg --purge keyhsm')
  check('nothing of it changed by upgrade and purge', machine.fingerprint(folders) === before)
  check('our own keys and audit stay too', machine.sh(`ls ${ownHome}`).includes('keystore'))
}

/** The rpm of the same tree. The machine is a Debian still: scripts and files are tried, not the dependencies. */
function rpm({ machine, check, files }) {
  installRpms(machine, files[`rpm ${versions[0]}`], '-i')
  check('installed', machine.sh('keyhsm').includes('keyHsm service usage:'))
  use({ machine, check, home: manualHome, log: '/var/log/keyhsm/keyhsm.log' })
  installRpms(machine, files[`rpm ${versions[1]}`], '-U')
  machine.sh('service keyhsm restart')
  check('upgraded and restarted', statusOf(machine).state === 'ready')
  machine.sh('service keyhsm stop')
  const before = machine.fingerprint([manualHome, '/var/log/keyhsm'])
  rpmTool(machine, ['-e', 'keyhsm'])
  check(
    'erased: no command, no init script',
    gone(machine, ['/usr/bin/keyhsm', '/etc/init.d/keyhsm', '/usr/lib/keyhsm']),
  )
  check(
    'erased: settings, keys, audit, logs as they were',
    machine.fingerprint([manualHome, '/var/log/keyhsm']) === before,
  )
}

function makeCertificate(machine) {
  machine.sh(
    'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /root/kts.key -out /root/kts.pem -days 3 -subj /CN=kts -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=clientAuth 2>/dev/null',
  )
}

function askAsTrustee(machine) {
  return machine.sh(
    'curl -s -k --cert /root/kts.pem --key /root/kts.key https://127.0.0.1:9090/v1/partition',
  )
}

function makeOldProduct(machine) {
  const files = {
    'start.sh':
      '#!/bin/sh\njava -classpath "*" -DNFAST_SERVER_PORT=11500 com.cloudera.app.run.Program $@\n',
    'application.properties': 'keyhsm.management.address : 172.19.1.2\nkeyhsm.hardware : ncipher\n',
    'nCipherKM.jar': 'a jar',
    'jcetools.jar': 'a jar',
    keystore: 'a keystore',
    truststore: 'a truststore',
    'conf/logback.xml': '<configuration/>\n',
    'conf/logback.xml.bkup': '<configuration/>\n',
  }
  machine.sh('useradd --system --shell /bin/false keyhsm')
  for (const [name, text] of Object.entries(files)) machine.write(`${manualHome}/${name}`, text)
  machine.write('/var/log/keyhsm/keyhsm.log', 'a log\n')
  machine.write(
    '/etc/init.d/keyhsm',
    '#!/bin/sh\nexec /usr/share/keytrustee-server-keyhsm/start.sh "$@"\n',
    0o755,
  )
  machine.write('/usr/bin/keyhsm', '#!/bin/sh\nexec /etc/init.d/keyhsm "$@"\n', 0o755)
  machine.sh(`chown -R keyhsm:keyhsm ${manualHome} /var/log/keyhsm && chmod 755 ${manualHome}`)
}

function statusOf(machine) {
  return JSON.parse(machine.sh('keyhsm status --json 2>/dev/null'))
}
