/**
 * Where the services' users can read the program. Run as root in a checkout below a private folder (such as /root), the
 * users keyhsm and keytrustee could not enter it; then the bundled programs are copied into the home.
 */
import { cpSync, existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** What a program needs beside Node: launchers, bundle, the native addon. */
const product = ['bin', 'build', 'package.json', 'node_modules/pkcs11js']

/** `checkout` itself, or a copy of its built product below `home`. */
export function programRoot(checkout, home) {
  if (process.getuid() !== 0 || isOpenToAll(checkout)) return checkout
  const copy = join(home, 'program')
  if (existsSync(copy)) return copy
  for (const path of product) {
    mkdirSync(dirname(join(copy, path)), { recursive: true, mode: 0o755 })
    cpSync(join(checkout, path), join(copy, path), { recursive: true })
  }
  return copy
}

/** Whether every user can come to `path`. */
export function isOpenToAll(path) {
  if (process.env.KEYHSM_ALWAYS_COPY === '1') return false
  for (let folder = path; ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o005) !== 0o005) return false
    if (folder === dirname(folder)) return true
  }
}
