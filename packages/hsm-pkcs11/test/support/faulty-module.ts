/** Builds the module that fails on demand around a real one, and controls it. */
import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runTool } from './run-tool.js'

const source = fileURLToPath(new URL('./faulty-module.c', import.meta.url))

export class FaultyModule {
  readonly library: string
  readonly env: Readonly<Record<string, string>>
  readonly #control: string
  readonly #log: string

  private constructor(directory: string, library: string, realModule: string) {
    this.library = library
    this.#control = join(directory, 'control')
    this.#log = join(directory, 'calls.log')
    this.env = {
      FAULTY_MODULE: realModule,
      FAULTY_CONTROL: this.#control,
      FAULTY_LOG: this.#log,
    }
  }

  /** Compiles the module into `directory`. */
  static async build(directory: string, realModule: string): Promise<FaultyModule> {
    const library = join(directory, 'faulty-module.so')
    await runTool('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'])
    return new FaultyModule(directory, library, realModule)
  }

  /** Makes calls fail: see `faulty-module.c` for the words. */
  async fail(call: string, what: string): Promise<void> {
    await writeFile(this.#control, `${call} ${what}\n`)
  }

  /** Makes calls work again. */
  async heal(): Promise<void> {
    await rm(this.#control, { force: true })
  }

  /** The names of the calls since the last {@link forgetCalls}. */
  async calls(): Promise<string[]> {
    if (!existsSync(this.#log)) return []
    return (await readFile(this.#log, 'utf8')).trim().split('\n')
  }

  /** How often a call was made since then. */
  async countOf(call: string): Promise<number> {
    return (await this.calls()).filter((each) => each === call).length
  }

  async forgetCalls(): Promise<void> {
    await rm(this.#log, { force: true })
  }
}
