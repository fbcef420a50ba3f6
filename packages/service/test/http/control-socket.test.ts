import { fork } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { answering, ask, start } from '../support/server.js'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'keyhsm-socket-'))
  onTestFinished(() => rm(home, { recursive: true, force: true }))
})

const status = answering({ method: 'GET', path: '/status', maxBodyBytes: 0 }, async (r) => ({
  said: r.peerAddress,
}))
const startOn = (socketPath: string) => start({ listen: { socketPath }, routes: [status] })
const modeOf = async (path: string) => (await stat(path)).mode & 0o777

describe('a control socket', () => {
  it('stands in a directory that is made for its user alone, and is gone after close', async () => {
    const socketPath = join(home, 'deep', 'run', 'control.sock')
    const { server } = await startOn(socketPath)
    expect(server.address).toEqual({ socketPath })
    expect(await modeOf(join(home, 'deep', 'run'))).toBe(0o700)
    expect(await modeOf(socketPath)).toBe(0o600)
    const answer = await ask({ socketPath, method: 'GET', path: '/status' })
    expect(answer.json).toEqual({ said: 'local' })
    await server.close()
    await expect(stat(socketPath)).rejects.toThrow('ENOENT')
  })

  it.each([0o750, 0o705, 0o710, 0o777])('is refused in a directory of mode %o', async (mode) => {
    const directory = join(home, 'run')
    await mkdir(directory)
    await chmod(directory, mode)
    await expect(startOn(join(directory, 's'))).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      message: `${directory} can be entered by other users`,
      hints: [`chmod 700 ${directory}`],
    })
  })

  it.runIf(process.getuid?.() === 0)(
    'is refused in a directory of another user (needs root)',
    async () => {
      const directory = join(home, 'run')
      await mkdir(directory, { mode: 0o700 })
      await chown(directory, 65534, 65534)
      await expect(startOn(join(directory, 's'))).rejects.toThrow('belongs to another user')
    },
  )

  it('is refused where the directory is a link, or something else stands in its place', async () => {
    await mkdir(join(home, 'real'), { mode: 0o700 })
    await symlink(join(home, 'real'), join(home, 'link'))
    await expect(startOn(join(home, 'link', 's'))).rejects.toThrow('is not a directory')
    await writeFile(join(home, 'real', 's'), 'precious')
    await expect(startOn(join(home, 'real', 's'))).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      message: expect.stringContaining('something else than a socket'),
    })
    expect((await stat(join(home, 'real', 's'))).size).toBe(8)
  })

  it('is refused under a name that the system would cut', async () => {
    await expect(startOn(join(home, 'x'.repeat(108)))).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
    })
  })

  it('is not taken from a living server', async () => {
    const socketPath = join(home, 's')
    await startOn(socketPath)
    await expect(startOn(socketPath)).rejects.toMatchObject({ code: 'ERR_UNAVAILABLE' })
    expect((await ask({ socketPath, method: 'GET', path: '/status' })).status).toBe(200)
  })

  it('replaces that of a server that was killed', async () => {
    const socketPath = join(home, 's')
    const script = join(home, 'server.mjs')
    const listening = `import { createServer } from 'node:net'
      createServer().listen(${JSON.stringify(socketPath)}, () => process.send('ready'))`
    await writeFile(script, listening)
    const child = fork(script)
    await once(child, 'message')
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect((await stat(socketPath)).isSocket()).toBe(true)
    await startOn(socketPath)
    expect((await ask({ socketPath, method: 'GET', path: '/status' })).status).toBe(200)
  })
})
