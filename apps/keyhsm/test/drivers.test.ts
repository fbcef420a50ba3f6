/** How settings reach the process that loads the vendor's library, and the vendor's tools: nShield's profile over SoftHSM. */
import { readFileSync } from 'node:fs'
import { PassThrough, Readable } from 'node:stream'
import { runProgram } from '@keyhsm/command-line'
import type { Pkcs11Hsm } from '@keyhsm/hsm-pkcs11'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { program } from '../src/program.js'
import { setUp } from '../src/setup/set-up.js'
import { makeRoot, setUpOptions, startService, type TestHome } from './home.js'
import { hasSoftHsm, makeSoftHsm, softHsmLibrary, softHsmPin } from './softhsm.js'
import { FakeVendor } from './vendor-checks/fake-vendor.js'

vi.setConfig({ testTimeout: 60_000 })

async function makeNshieldHome(): Promise<TestHome> {
  const token = await makeSoftHsm()
  const home = await makeRoot()
  const changes = {
    'thales.library': softHsmLibrary,
    'thales.token.label': token.label,
    'thales.nfast_server_port': '11500',
    'keyhsm.hsm.env.SOFTHSM2_CONF': token.config,
    'keyhsm.hsm.env.CKNFAST_LOADSHARING': '1',
    'keyhsm.key.kind': 'ec-p256',
    'keyhsm.server.port': '0',
    'keyhsm.management.port': '0',
    'keyhsm.service.port': '0',
  }
  await setUp({ ...setUpOptions(home, { hardware: 'ncipher', pin: softHsmPin }), changes })
  return home
}

/** `keyhsm validate` in this process, with the tools of `vendor` first in PATH. */
async function validate({ root }: TestHome, vendor: FakeVendor) {
  const [stdout, stderr, stdin] = [new PassThrough(), new PassThrough(), Readable.from([])]
  const { user: _user, ...here } = program
  const env = { PATH: `${vendor.root}:/usr/bin:/bin` }
  const status = await runProgram(here, ['validate', '--home', root], {
    stdin,
    stdout,
    stderr,
    env,
    isTerminal: false,
  })
  const read = (stream: PassThrough) => String(stream.read() ?? '')
  return { status, stdout: read(stdout), stderr: read(stderr) }
}

describe.skipIf(!hasSoftHsm)('the settings of an nShield (needs SoftHSM)', () => {
  it('reach the library as its environment; the PIN does not', async () => {
    const service = await startService(await makeNshieldHome())
    const { hostProcessId } = service.partitions().named().hsm as Pkcs11Hsm
    const environment = readFileSync(`/proc/${hostProcessId}/environ`, 'utf8').split('\0')
    expect(environment).toContain('NFAST_SERVER_PORT=11500')
    expect(environment).toContain('CKNFAST_LOADSHARING=1')
    expect(environment.join()).not.toContain(softHsmPin)
  })

  it('reach the vendor’s tools; what these find is shown with what to do', async () => {
    const home = await makeNshieldHome()
    const vendor = await FakeVendor.make()
    onTestFinished(() => vendor.dispose())
    const state = 'if [ "$NFAST_SERVER_PORT" = 11500 ]; then echo "$1 Usable"; fi'
    await vendor.install(
      'nfkminfo',
      `echo World; echo " state 0x1 $(${state})"; echo "Module #1"; echo " state 0x2 Usable"`,
    )
    const well = await validate(home, vendor)
    expect(well.stdout).toMatch(/^nfkminfo: Usable, 1 of 1 module\(s\) usable :\[ Successful \]$/m)
    expect(well.stdout).toMatch(/^Wrap and unwrap: ec-p256 :\[ Successful \]$/m)
    // Nobody listens on the port that is set.
    expect(well.stdout).toMatch(/^Hardserver port: nobody listens on 11500 :\[ Failed \]$/m)
    expect(well.stderr).toContain('--port=11500 --privport=11501')
    expect(well.status).toBe(78)
    await vendor.prints('nfkminfo', 'World\n state 0x1 !Usable')
    expect((await validate(home, vendor)).stdout).toContain(
      'the Security World is !Usable :[ Failed ]',
    )
  })
})
