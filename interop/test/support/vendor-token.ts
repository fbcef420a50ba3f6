/** A SoftHSM token behind the module that behaves as a vendor's: `interop/vendors/`. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SecretBytes } from '@keyhsm/core'
import { connectPkcs11, type Pkcs11Hsm, type Pkcs11ProfileName } from '@keyhsm/hsm-pkcs11'
import { runTool } from '../../../packages/hsm-pkcs11/test/support/run-tool.js'
import {
  softhsmLibrary,
  softhsmPin,
  SofthsmToken,
} from '../../../packages/hsm-pkcs11/test/support/softhsm-token.js'

const folder = fileURLToPath(new URL('../../vendors/', import.meta.url))

export type Vendor = Extract<Pkcs11ProfileName, 'cloudhsm' | 'luna' | 'thales'>

export class VendorToken {
  readonly #token: SofthsmToken
  readonly #vendor: Vendor
  readonly #library: string
  readonly #table: string
  readonly #always: string

  private constructor(token: SofthsmToken, vendor: Vendor, always: string) {
    this.#token = token
    this.#vendor = vendor
    this.#library = join(token.directory, 'vendor-module.so')
    this.#table = join(token.directory, 'behaviour')
    this.#always = always
  }

  /** Makes a token whose module has the behaviours of `interop/vendors/<vendor>.behaviour`. */
  static async make(vendor: Vendor): Promise<VendorToken> {
    const token = await SofthsmToken.make(`keyhsm-${vendor}`)
    const always = await readFile(join(folder, `${vendor}.behaviour`), 'utf8')
    const made = new VendorToken(token, vendor, always)
    await made.behave()
    const source = join(folder, 'vendor-module.c')
    const flags = ['-shared', '-fPIC', '-O1', '-o', made.#library]
    await runTool('cc', [...flags, source, '-ldl', '-lpthread'])
    return made
  }

  /** From now on the vendor's behaviours and these; without any, the vendor's alone. `without` takes some of them out. */
  async behave(lines: readonly string[] = [], without?: RegExp): Promise<void> {
    const kept = this.#always.split('\n').filter((line) => !without?.test(line))
    // What is asked for now goes before what always holds.
    await writeFile(this.#table, [...lines, ...kept, ''].join('\n'))
  }

  /** Connects with the vendor's own profile. */
  async connect(pin = softhsmPin): Promise<Pkcs11Hsm> {
    return await connectPkcs11({
      profile: this.#vendor,
      library: this.#library,
      token: { label: this.#token.label },
      pin: SecretBytes.own(Buffer.from(pin)),
      // SoftHSM stands no writes beside each other.
      workers: 1,
      env: {
        ...this.#token.env,
        VENDOR_MODULE: softhsmLibrary ?? '',
        VENDOR_TABLE: this.#table,
      },
    })
  }

  async dispose(): Promise<void> {
    await this.#token.dispose()
  }
}
