/**
 * Runs a unit inside a small machine as systemd would, as far as the unit says: user, command, notification socket, watchdog,
 * restart after a kill. A machine in a folder has no systemd of its own; what confines the process is not tried here.
 */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const patienceMs = 60_000

export class Unit {
  /** @param {import('./machine.mjs').Machine} machine */
  constructor(machine, name) {
    this.name = name
    this.machine = machine
    const text = readFileSync(join(machine.root, 'usr/lib/systemd/system', name), 'utf8')
    this.fields = Object.fromEntries(
      text
        .split('\n')
        .filter((line) => /^\w+=/.test(line))
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    )
    this.folder = `/run/unit-${name}`
    mkdirSync(join(machine.root, this.folder), { recursive: true })
    chmodSync(join(machine.root, this.folder), 0o755)
  }

  get pid() {
    return this.child.pid
  }

  /** Waits until the service has told its manager so since it was started. */
  async hears(words) {
    await this.#until(() => this.messages.includes(words), words)
    return true
  }

  /** Returns when it says READY=1. */
  async start() {
    this.#listen()
    const { User: user, ExecStart: command, Environment: own } = this.fields
    const environment = [
      `NOTIFY_SOCKET=${this.folder}/notify`,
      'WATCHDOG_USEC=1000000',
      'PATH=/usr/bin:/bin',
      ...(own === undefined ? [] : [own]),
    ]
    const become = ['setpriv', '--reuid', user, '--regid', user, '--clear-groups']
    this.child = spawn(
      'chroot',
      [this.machine.root, ...become, 'env', '-i', ...environment, ...command.split(' ')],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    this.errors = ''
    this.child.stderr.on('data', (chunk) => (this.errors += chunk))
    this.ended = new Promise((resolve) =>
      this.child.on('exit', (code, signal) => resolve({ code, signal })),
    )
    await this.hears('READY=1')
  }

  /** SIGKILL to all of the unit, as its control group is killed; then what Restart= says. */
  async killAndRestart() {
    this.child.kill('SIGKILL')
    const { signal } = await this.ended
    if (signal !== 'SIGKILL' || this.fields['Restart'] !== 'on-failure')
      throw new Error(`${this.name} would not be started again`)
    await this.start()
  }

  async stop() {
    if (this.child === undefined) return
    this.child.kill('SIGTERM')
    await Promise.race([this.ended, pause(patienceMs)])
    this.listener?.kill()
  }

  /** A datagram socket inside, which Node does not have: python3 of this machine. */
  #listen() {
    this.listener?.kill()
    const socket = join(this.machine.root, this.folder, 'notify')
    rmSync(socket, { force: true })
    this.messages = ''
    this.listener = spawn('python3', ['-c', listening, socket], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.listener.stdout.on('data', (chunk) => (this.messages += chunk))
    spawnSync('sh', ['-c', `for i in $(seq 50); do [ -S '${socket}' ] && exit; sleep 0.1; done`])
    chmodSync(socket, 0o666)
  }

  async #until(holds, what) {
    const deadline = Date.now() + patienceMs
    while (!holds()) {
      if (this.child.exitCode !== null || Date.now() > deadline)
        throw new Error(`${this.name}: no ${what}:\n${this.errors}`)
      await pause(100)
    }
  }
}

const listening = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode(), flush=True)
`
