/** An NSS database of its own in a temporary directory: the second, independent PKCS#11 library of the tests. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type HsmKeyId, SecretBytes } from '@keyhsm/core'
import type { KeyKind } from '@keyhsm/hsm'
import { type Pkcs11Options, pkcs11Profiles } from '@keyhsm/hsm-pkcs11'
import { runTool } from './run-tool.js'

/** The library as it is installed here; undefined when it is not. */
export const nssLibrary = pkcs11Profiles.nss.libraryPaths.find((path) => existsSync(path))
export const nssPassword = 'marked-nss-password'

/** Passwords are stretched for seconds a test otherwise; read by NSS when it makes and uses a database. */
const fastPassword = { NSS_MAX_MP_PBE_ITERATION_COUNT: '1' }

const tool = fileURLToPath(new URL('./nss-tool.mjs', import.meta.url))

export class NssDatabase {
  readonly directory: string
  readonly libraryParameters: string

  private constructor(directory: string) {
    this.directory = directory
    this.libraryParameters = `configdir='sql:${directory}' certPrefix='' keyPrefix='' secmod='secmod.db' flags=`
  }

  /** Makes a database with a password in a new directory. */
  static async make(): Promise<NssDatabase> {
    const directory = await mkdtemp(join(tmpdir(), 'keyhsm-nss-'))
    const passwordFile = join(directory, 'password')
    await writeFile(passwordFile, `${nssPassword}\n`, { mode: 0o600 })
    await runTool('certutil', ['-N', '-d', `sql:${directory}`, '-f', passwordFile], fastPassword)
    return new NssDatabase(directory)
  }

  /** Options that connect to this database. */
  options(more: Partial<Pkcs11Options> = {}): Pkcs11Options {
    const pin = SecretBytes.own(Buffer.from(nssPassword))
    const token = { label: 'NSS Certificate DB' }
    const env = { ...fastPassword, ...more.env }
    return { profile: 'nss', token, pin, libraryParameters: this.libraryParameters, ...more, env }
  }

  async remove(id: HsmKeyId): Promise<void> {
    await this.#run('remove', id)
  }

  /** Plants another key with this id: not of the same class, because NSS would overwrite that one. */
  async plant(id: HsmKeyId, kind: KeyKind): Promise<void> {
    await this.#run(kind === 'aes-256' ? 'plantPair' : 'plantSecret', id)
  }

  async shows(id: HsmKeyId): Promise<boolean> {
    return (await this.#run('shows', id)) !== '0'
  }

  async dispose(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }

  #run(verb: string, id: HsmKeyId): Promise<string> {
    const args = [tool, nssLibrary ?? '', this.libraryParameters, verb, id]
    return new Promise((resolve, reject) => {
      const env = { ...process.env, ...fastPassword }
      const child = execFile(process.execPath, args, { env }, (error, stdout) =>
        error ? reject(error) : resolve(stdout),
      )
      child.stdin?.end(nssPassword)
    })
  }
}
