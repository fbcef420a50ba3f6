/** What befalls a migration: SIGKILL at a named step, and what happens to services and commands at any moment. */
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { kill, pidOf } from './crashes.mjs'

const deeds = {
  'server killed': (stack) => kill(stack, 'keytrustee-server'),
  'server stopped': (stack) => kill(stack, 'keytrustee-server', 'SIGTERM'),
  'keyhsm killed': (stack) => kill(stack, 'keyhsm'),
  'HSM host killed': (stack) => kill(stack, 'HSM host'),
}
/** What is dead after a deed; a killed host is replaced by Key HSM itself. */
const struck = {
  'server killed': 'keytrustee-server',
  'server stopped': 'keytrustee-server',
  'keyhsm killed': 'keyhsm',
}
/** Signals for the command that ordered the migration and watches it. */
const signals = { 'ktadmin killed': 'SIGKILL', 'ktadmin interrupted': 'SIGINT' }

/** What needs no named step. */
export const happenings = [...Object.keys(deeds), ...Object.keys(signals)]

const longestWaitMs = 20_000

export class Disturbances {
  #happened = []

  constructor(stack, crash) {
    this.stack = stack
    this.crash = crash
  }

  /** Everything that has struck until now. */
  hits() {
    return [...this.crash.hits(), ...this.#happened]
  }

  /**
   * Has `act` done, or the same by a command, while `what` happens. Ends when it has struck and those it hit are dead, or
   * when `isOver` says that it comes too late.
   */
  async during(what, order, isOver) {
    if (what in signals) await this.#signalCommand(what, order)
    else if (what in deeds) await this.#strike(what, order)
    else await this.#killAt(what, order, isOver)
  }

  async #killAt(step, { act }, isOver) {
    const before = this.crash.hits().length
    this.crash.arm(step)
    let ordered = false
    const acting = act()
      .catch(() => undefined)
      .finally(() => {
        ordered = true
      })
    const deadline = Date.now() + longestWaitMs
    let over = false
    while (this.crash.hits().length === before && !over && Date.now() < deadline) {
      await pause(10)
      over = ordered && (await isOver())
    }
    this.crash.disarm()
    await acting
    await this.#dead(step.startsWith('reseal:') ? 'keyhsm' : 'keytrustee-server', before)
  }

  /** The hit is written down just before the signal. */
  async #dead(service, before) {
    if (this.crash.hits().length === before) return
    while (pidOf(this.stack, service) !== undefined) await pause(5)
  }

  async #strike(what, { act }) {
    const acting = act().catch(() => undefined)
    await pause(randomInt(120))
    if (deeds[what](this.stack)) this.#happened.push(what)
    await acting
    const service = struck[what]
    if (service) while (pidOf(this.stack, service) !== undefined) await pause(10)
  }

  /** The server goes on by itself: the command only ordered and watches. */
  async #signalCommand(what, { leg, verb }) {
    const words = leg ? wordsOf(leg) : [verb]
    const { env, home } = this.stack
    const argv = ['migrate', ...words, '--yes']
    const child = spawn('ktadmin', leg?.reseal ? ['reseal', '--yes'] : argv, {
      cwd: home,
      env: { ...process.env, ...env },
      stdio: 'ignore',
    })
    const exited = new Promise((resolve) => child.on('exit', resolve))
    await Promise.race([exited, pause(250 + randomInt(500))])
    if (child.exitCode === null && child.kill(signals[what])) this.#happened.push(what)
    await exited
  }
}

function wordsOf({ from, to, scope, kind, understood }) {
  const options = { from, to, scope, kind }
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return [
    ...given.flatMap(([name, value]) => [`--${name}`, value]),
    ...(understood ? ['--i-understand'] : []),
  ]
}
