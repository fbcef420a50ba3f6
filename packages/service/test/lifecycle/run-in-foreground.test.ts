import { spawn } from 'node:child_process'
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { useHome } from './lifecycle-testing.js'

/** For machines that have other things to do. */
const patience = { timeout: 15_000, interval: 10 }

const home = useHome()
const ready = () => expect.poll(() => home.read('service.log'), patience).toContain('is ready')

describe('runInForeground', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('stops on %s with status 0', async (signal) => {
    const { child, ended } = home.foreground('well')
    await ready()
    child.kill(signal)
    expect(await ended).toBe(0)
    expect(home.events()).toEqual(['start', 'stop 5000', 'exit 0'])
    expect(home.read('service.log')).toContain(`stopping signal=${signal}`)
    expect(home.read('service.pid')).toBe('')
  })

  it('stops on request, draining as long as was asked for', async () => {
    expect(await home.foreground('stops-itself').ended).toBe(0)
    expect(home.events()).toEqual(['start', 'stop 123', 'exit 0'])
    expect(home.read('service.log')).toContain('stopping signal=request')
  })

  it('obeys a signal that comes while it starts, right after the start', async () => {
    const { child, ended } = home.foreground('slow-start')
    await expect.poll(home.events.bind(home), patience).toEqual(['start'])
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
    expect(home.events()).toEqual(['start', 'stop 5000', 'exit 0'])
  })

  it('ends at once on a second signal', async () => {
    const { child, ended } = home.foreground('hang')
    await expect.poll(home.events.bind(home), patience).toEqual(['start'])
    child.kill('SIGINT')
    child.kill('SIGTERM')
    expect(await ended).toBe(70)
  })

  it('does not wait for ever for a service that does not stop', async () => {
    const { child, ended } = home.foreground('slow-stop')
    await ready()
    child.kill('SIGTERM')
    expect(await ended).toBe(70)
    expect(home.read('service.log')).toContain('did not stop within 2100 ms')
  })

  it('ends with 70 when the stop fails', async () => {
    const { child, ended } = home.foreground('bad-stop')
    await ready()
    child.kill('SIGTERM')
    expect(await ended).toBe(70)
    expect(home.read('service.log')).toMatch(/ERROR service: stop failed\n {4}Error: cannot/)
  })

  it('ends with the status of what the start failed with', async () => {
    expect(await home.foreground('fail').ended).toBe(78)
    expect(home.read('service.log')).toContain('service did not start')
  })

  it('refuses to run twice', async () => {
    home.foreground('well')
    await ready()
    expect(await home.foreground('well').ended).toBe(1)
    expect(home.read('service.log')).toContain('service is already running (pid ')
  })

  it.each(['uncaught', 'rejection'])('ends with 70 on an unexpected error (%s)', async (kind) => {
    expect(await home.foreground(kind).ended).toBe(70)
    expect(home.read('service.log')).toMatch(
      /ERROR service: unexpected error, the process ends\n {4}Error: later/,
    )
  })

  it('reloads on SIGHUP, one at a time, and keeps running when that fails', async () => {
    const { child, ended } = home.foreground('bad-reload')
    await ready()
    child.kill('SIGHUP')
    await expect
      .poll(() => home.read('service.log'), patience)
      .toMatch(
        /ERROR service: reload failed, the old state stays in use\n {4}ERR_SETTINGS: bad settings/,
      )
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  })

  it('makes one more reload of all signals that come during one', async () => {
    const { child, ended } = home.foreground('slow-reload')
    await ready()
    child.kill('SIGHUP')
    await expect.poll(home.events.bind(home), patience).toContain('reload 1')
    for (let i = 0; i < 3; i += 1) {
      child.kill('SIGHUP')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await expect.poll(home.events.bind(home), patience).toContain('reload 2')
    await expect
      .poll(() => home.read('service.log').split('INFO service: reloaded').length - 1, patience)
      .toBe(2)
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
    expect(home.events()).not.toContain('reload 3')
  })

  it('tells systemd what it does, when systemd asks', async () => {
    // Node has no local datagram sockets.
    const path = join(home.path, 'notify')
    const listener = join(home.path, 'listen.py')
    writeFileSync(
      listener,
      [
        'import socket,sys',
        's=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(sys.argv[1])',
        'out=open(sys.argv[2],"a",buffering=1)',
        'while True: out.write(s.recv(4096).decode().replace("\\n"," ")+"\\n")',
      ].join('\n'),
    )
    const python = spawn('python3', [listener, path, join(home.path, 'told')], { stdio: 'ignore' })
    home.children.push(python)
    await expect.poll(() => existsSync(path), patience).toBe(true)
    chmodSync(path, 0o600)
    const { child, ended } = home.foreground('well', {
      NOTIFY_SOCKET: path,
      WATCHDOG_USEC: '200000',
    })
    await expect.poll(() => home.read('told'), patience).toMatch(/READY=1[^]*WATCHDOG=1/)
    child.kill('SIGHUP')
    await expect.poll(() => home.read('told'), patience).toMatch(/RELOADING=1[^]*READY=1/)
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
    expect(home.read('told')).toContain('STOPPING=1')
    expect(home.read('told')).toContain(`STATUS=service ${child.pid} is ready`)
  })
})
