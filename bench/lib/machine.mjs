/** What the figures were measured on. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'

/** @param {string} folder where the tokens and the database of the run live */
export function describeMachine(folder) {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${readSystem()}, Linux ${release()}`,
    disk: output('stat', ['-f', '-c', '%T', folder]),
    node: process.version,
    openssl: process.versions.openssl,
    softhsm: output('softhsm2-util', ['--version']),
    postgresql: readPostgres(),
    at: new Date().toISOString(),
  }
}

export function formatMachine(machine) {
  const { cores, cpu, memoryGiB, system, disk, node, openssl, softhsm, postgresql, at } = machine
  return [
    `${cores} cores of ${cpu}, ${memoryGiB} GiB, ${system}, ${disk} disk`,
    `Node.js ${node}, OpenSSL ${openssl}, SoftHSM ${softhsm}, ${postgresql}`,
    `measured ${at}`,
  ].join('\n')
}

function readSystem() {
  try {
    return /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1]
  } catch {
    return 'unknown system'
  }
}

function readPostgres() {
  const root = '/usr/lib/postgresql'
  try {
    const newest = readdirSync(root).sort((one, other) => Number(other) - Number(one))[0]
    const version = output(join(root, newest, 'bin', 'postgres'), ['--version'])
    return `PostgreSQL ${/\d[\d.]*/.exec(version)?.[0]}`
  } catch {
    return 'PostgreSQL not found'
  }
}

function output(command, args) {
  return spawnSync(command, args, { encoding: 'utf8' }).stdout?.trim() || 'unknown'
}
