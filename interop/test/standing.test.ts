import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const lib = join(import.meta.dirname, '../lib')
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'standing-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Services that take a moment to start, and a program that restarts one again and again. */
function writeProgram() {
  for (const name of ['keyhsm', 'keytrustee-server']) {
    const lines = [
      '#!/bin/bash',
      `say() { echo "${name} $1" >> ${join(folder, 'said')}; }`,
      'if [ "$1" = start ]; then say starting; sleep 0.4; say up; else say stopped; fi',
    ]
    writeFileSync(join(folder, name), lines.join('\n'))
    chmodSync(join(folder, name), 0o755)
  }
  const script = join(folder, 'program.mjs')
  writeFileSync(
    script,
    `import { Stack } from ${JSON.stringify(join(lib, 'stack.mjs'))}
    const PATH = ${JSON.stringify(folder)} + ':' + process.env.PATH
    const stack = await Stack.create({ env: { PATH } })
    console.log(stack.home)
    try {
      for (;;) await stack.run('keytrustee-server start')
    } finally {
      await stack.remove()
    }`,
  )
  return script
}

describe('a stack whose program is told to end', () => {
  it('stops what was being started at that moment, starts nothing more, and bears a signal that comes twice', async () => {
    const child = spawn(process.execPath, [writeProgram()], { stdio: ['ignore', 'pipe', 'pipe'] })
    const exited = once(child, 'exit')
    const [home] = await once(child.stdout, 'data')
    while (!existsSync(join(folder, 'said'))) await new Promise((resolve) => setTimeout(resolve, 5))
    child.kill('SIGINT')
    await once(child.stderr, 'data')
    child.kill('SIGINT')
    expect(await exited).toEqual([130, null])
    expect(readFileSync(join(folder, 'said'), 'utf8').trim().split('\n')).toEqual([
      'keytrustee-server starting',
      'keytrustee-server up',
      'keytrustee-server stopped',
      'keyhsm stopped',
    ])
    expect(existsSync(String(home).trim())).toBe(false)
  })

  it('kills a service whose stop fails, and says so', async () => {
    const script = join(folder, 'program.mjs')
    const stop = join(folder, 'keytrustee-server')
    writeFileSync(stop, '#!/bin/bash\nexit 2')
    chmodSync(stop, 0o755)
    writeFileSync(
      script,
      `import { mkdirSync, writeFileSync } from 'node:fs'
      import { spawn } from 'node:child_process'
      import { Stack } from ${JSON.stringify(join(lib, 'stack.mjs'))}
      const stack = await Stack.create({ env: { PATH: ${JSON.stringify(folder)} + ':/usr/bin:/bin' } })
      const service = spawn(process.execPath, ['-e', 'setInterval(() => {}, 60_000)', stack.home])
      const ended = new Promise((resolve) => service.once('exit', (_, signal) => resolve(signal)))
      mkdirSync(stack.home + '/keytrustee/run', { recursive: true })
      writeFileSync(stack.home + '/keytrustee/run/keytrustee-server.pid', service.pid + '\\n')
      console.log(await stack.remove().catch((error) => error.message))
      console.log(await ended)`,
    )
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.on('data', (chunk) => {
      said += chunk
    })
    expect(await once(child, 'close')).toEqual([0, null])
    expect(said).toBe('did not stop and were killed: keytrustee-server\nSIGKILL\n')
  })
})
