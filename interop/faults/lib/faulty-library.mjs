/** A PKCS#11 library that counts the calls to SoftHSM and fails on demand. Key HSM gives it no environment, so its paths are built in. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../../scripts/lib/sources.mjs'
import { softhsmModule } from '../../lib/stack.mjs'

const source = join(root, 'packages/hsm-pkcs11/test/support/faulty-module.c')

/** Compiles it into the home of `stack`; `calls(name)` counts since the last `forget()`. */
export function buildFaultyLibrary(stack) {
  const folder = join(stack.home, 'faulty')
  mkdirSync(folder)
  chmodSync(folder, 0o777)
  const library = join(folder, 'counting.so')
  const variables = {
    FAULTY_MODULE: softhsmModule,
    FAULTY_LOG: join(folder, 'calls'),
    FAULTY_CONTROL: join(folder, 'control'),
  }
  const settings = Object.entries(variables)
    .map(([name, value]) => `setenv("${name}", "${value}", 1);`)
    .join(' ')
  const constructor = `#include <stdlib.h>\n__attribute__((constructor)) static void set(void) { ${settings} }\n`
  const args = ['-shared', '-fPIC', '-O1', '-o', library, source, '-x', 'c', '-', '-ldl']
  const built = spawnSync('cc', args, { input: constructor, encoding: 'utf8' })
  if (built.status !== 0) throw new Error(`cc: ${built.stderr}`)
  return {
    library,
    calls: (name) => linesOf(variables.FAULTY_LOG).filter((line) => line === name).length,
    forget: () => rmSync(variables.FAULTY_LOG, { force: true }),
    fail: (words) => writeFileSync(variables.FAULTY_CONTROL, `${words}\n`, { mode: 0o644 }),
    heal: () => rmSync(variables.FAULTY_CONTROL, { force: true }),
  }
}

function linesOf(file) {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch {
    return []
  }
}
