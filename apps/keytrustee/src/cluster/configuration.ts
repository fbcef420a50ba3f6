/** Settings of the private cluster. They live in `conf.d`, so that an operator's own file beside them may add to them. */
import { appendFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { writePrivateFile } from './files.js'
import { clusterPort, serviceRole } from './layout.js'

/** Name of the user map in `pg_ident.conf`. */
const userMap = 'keytrustee'

/** A value as `postgresql.conf` wants it. @see PostgreSQL 15 manual §20.1.2 */
function quote(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}

function settings(log: string): Readonly<Record<string, string>> {
  return {
    listen_addresses: '',
    port: String(clusterPort),
    unix_socket_permissions: '0700',
    password_encryption: 'scram-sha-256',
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    timezone: 'UTC',
    log_timezone: 'UTC',
    logging_collector: 'on',
    log_directory: log,
    log_filename: 'postgresql-%a.log',
    log_truncate_on_rotation: 'on',
    log_rotation_age: '1d',
    log_rotation_size: '0',
    log_file_mode: '0600',
    log_line_prefix: '%m [%p] %q%u@%d ',
    // Without DETAIL lines: they quote whole rows.
    log_error_verbosity: 'terse',
    jit: 'off',
  }
}

function format(values: Readonly<Record<string, string>>): string {
  const lines = Object.entries(values).map(([name, value]) => `${name} = ${quote(value)}`)
  return `${lines.join('\n')}\n`
}

/**
 * Configures a fresh data directory before anybody can connect to it: only its owner is let in, by `peer`, as itself
 * or as the role of the service. No TCP, no password, no other user.
 */
export async function writeConfiguration(data: string, log: string, owner: string): Promise<void> {
  await mkdir(join(data, 'conf.d'), { mode: 0o700 })
  await appendFile(join(data, 'postgresql.conf'), "\ninclude_dir = 'conf.d'\n")
  await writePrivateFile(join(data, 'conf.d', '10-keytrustee.conf'), format(settings(log)))
  await writePrivateFile(join(data, 'pg_hba.conf'), `local all all peer map=${userMap}\n`)
  const users = [owner, serviceRole].map((role) => `${userMap} "${owner}" "${role}"\n`)
  await writePrivateFile(join(data, 'pg_ident.conf'), users.join(''))
}

/** Where the socket is for this start. A list of directories, of which each may be quoted: commas are legal in a path. */
export async function writeSocketDirectory(data: string, directory: string): Promise<void> {
  const value = `"${directory.replaceAll('"', '""')}"`
  const file = join(data, 'conf.d', '20-socket.conf')
  await writePrivateFile(file, format({ unix_socket_directories: value }))
}
