/** A PIN that was changed in the HSM while the service runs: one refused login, then setup and reload cure it. */
import { stat } from 'node:fs/promises'
import type { Pkcs11Hsm } from '@keyhsm/hsm-pkcs11'
import { describe, expect, it, vi } from 'vitest'
import { setUp } from '../../src/setup/set-up.js'
import { makeRoot, setUpOptions, startService } from '../home.js'
import { hasSoftHsm, makeSoftHsm, pkcs11Tool, softHsmLibrary, softHsmPin } from '../softhsm.js'

vi.setConfig({ testTimeout: 60_000 })

describe.skipIf(!hasSoftHsm)('a PIN that was changed in the HSM (needs SoftHSM)', () => {
  it('is taken over by a reload after setup, and latches until then', async () => {
    const token = await makeSoftHsm()
    const home = await makeRoot()
    const changes = {
      'softhsm.library': softHsmLibrary,
      'softhsm.config': token.config,
      'softhsm.token.label': token.label,
      'keyhsm.server.port': '0',
      'keyhsm.management.port': '0',
      'keyhsm.service.port': '0',
    }
    const options = setUpOptions(home, { hardware: 'softhsm', pin: softHsmPin })
    await setUp({ ...options, changes })
    const service = await startService(home)
    const hsm = service.partitions().named().hsm as Pkcs11Hsm
    const state = async () => (await hsm.probe()).state
    const next = 'marked-pin-new'
    pkcs11Tool(token, '--change-pin', '--new-pin', next)
    process.kill(hsm.hostProcessId ?? 0, 'SIGKILL')
    await vi.waitFor(async () => expect(await state()).toBe('login-refused'), { timeout: 20_000 })
    await stat(home.paths.latch)
    // A latched refusal outlives a reload: nobody has done anything about it.
    await service.reload()
    expect(await state()).toBe('login-refused')
    const right = setUpOptions(home, { hardware: 'softhsm', pin: next })
    await setUp({ ...right, changes: {} })
    await service.reload()
    await vi.waitFor(async () => expect(await state()).toBe('ready'), { timeout: 20_000 })
    await expect(stat(home.paths.latch)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
