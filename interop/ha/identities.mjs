/** Users of this machine, and certificates for the databases. */
import { execFileSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** uid and gid. */
export function idsOf(user) {
  return ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, user], { encoding: 'utf8' })))
}

/** `ca.pem`, and `NAME.pem`, `NAME.key` for each name and address. */
export function makeCertificates(folder, hosts) {
  const file = (name) => join(folder, name)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  openssl(
    'req',
    '-x509',
    ...key,
    '-subj',
    '/CN=database authority',
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
  )
  for (const [name, address] of hosts) {
    const extensions = file(`${name}.ext`)
    writeFileSync(extensions, `subjectAltName=IP:${address}\n`)
    openssl(
      'req',
      '-new',
      ...key.slice(0, -2),
      '-subj',
      `/CN=${name}`,
      '-keyout',
      file(`${name}.key`),
      '-out',
      file(`${name}.csr`),
    )
    const authority = [
      '-CA',
      file('ca.pem'),
      '-CAkey',
      file('ca.key'),
      '-CAcreateserial',
      '-days',
      '2',
    ]
    openssl(
      'x509',
      '-req',
      '-in',
      file(`${name}.csr`),
      ...authority,
      '-extfile',
      extensions,
      '-out',
      file(`${name}.pem`),
    )
    chmodSync(file(`${name}.key`), 0o600)
    chmodSync(file(`${name}.pem`), 0o644)
  }
  chmodSync(file('ca.pem'), 0o644)
}

function openssl(...args) {
  execFileSync('openssl', args, { stdio: 'ignore' })
}
