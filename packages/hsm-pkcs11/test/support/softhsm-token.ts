/** A SoftHSM token of its own in a temporary directory, and the tools that meddle with it from outside. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SecretBytes, type HsmKeyId } from '@keyhsm/core'
import type { Pkcs11Options } from '@keyhsm/hsm-pkcs11'
import { pkcs11Profiles } from '@keyhsm/hsm-pkcs11'
import { existsSync } from 'node:fs'
import { runTool } from './run-tool.js'

/** The library as it is installed here; undefined when it is not. */
export const softhsmLibrary = pkcs11Profiles.softhsm.libraryPaths.find((path) => existsSync(path))

/** Holds a colon: the form that one profile asks for, and a PIN like any other to the rest. */
export const softhsmPin = 'marked:pin-4711'

export class SofthsmToken {
  readonly directory: string
  readonly label: string
  readonly env: Readonly<Record<string, string>>

  private constructor(directory: string, label: string) {
    this.directory = directory
    this.label = label
    this.env = { SOFTHSM2_CONF: join(directory, 'softhsm2.conf') }
  }

  /** Initialises a token in a new directory. */
  static async make(label = 'keyhsm-test'): Promise<SofthsmToken> {
    const directory = await mkdtemp(join(tmpdir(), 'keyhsm-softhsm-'))
    const tokens = join(directory, 'tokens')
    await mkdir(tokens, { mode: 0o700 })
    const lines = [
      `directories.tokendir = ${tokens}`,
      'objectstore.backend = file',
      'log.level = ERROR',
    ]
    await writeFile(join(directory, 'softhsm2.conf'), `${lines.join('\n')}\n`)
    const token = new SofthsmToken(directory, label)
    await token.addToken(label)
    return token
  }

  /** Initialises one more token in the same directory. */
  async addToken(label: string): Promise<void> {
    const pins = ['--so-pin', 'marked-so-pin-1', '--pin', softhsmPin]
    await runTool('softhsm2-util', ['--init-token', '--free', '--label', label, ...pins], this.env)
  }

  /** Options that connect to this token. */
  options(more: Partial<Pkcs11Options> = {}): Pkcs11Options {
    const pin = SecretBytes.own(Buffer.from(softhsmPin))
    return { profile: 'softhsm', token: { label: this.label }, pin, env: this.env, ...more }
  }

  /** Runs `pkcs11-tool` logged in to this token. */
  async tool(...args: string[]): Promise<string> {
    const login = ['--login', '--pin', softhsmPin, '--token-label', this.label]
    return await runTool(
      'pkcs11-tool',
      ['--module', softhsmLibrary ?? '', ...login, ...args],
      this.env,
    )
  }

  /** Deletes every object with this id. */
  async remove(id: HsmKeyId): Promise<void> {
    for (const type of ['privkey', 'pubkey', 'secrkey']) {
      // The tool fails when there is no (further) object of that type.
      for (let deleted = true; deleted; ) {
        deleted = await this.tool('--delete-object', '--type', type, '--id', id).then(
          () => true,
          () => false,
        )
      }
    }
  }

  /** Whether the tool lists an object with this id. */
  async shows(id: HsmKeyId): Promise<boolean> {
    return (await this.tool('--list-objects')).includes(id)
  }

  async dispose(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }
}
