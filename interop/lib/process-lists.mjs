/** Command lines and environments of every process, taken some times a second: where secrets must not be. */
import { spawnSync } from 'node:child_process'

/** The HSM's own tools know a PIN by their command line alone. */
const otherPeoplesTools = /softhsm2-util|pkcs11-tool/

export function watchProcesses() {
  const lists = []
  const timer = setInterval(() => lists.push(listProcesses()), 150)
  return {
    lists: () => lists,
    stop() {
      clearInterval(timer)
      return lists
    },
  }
}

function listProcesses() {
  return spawnSync('ps', ['axeww', '-o', 'args'], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter((line) => !otherPeoplesTools.test(line))
    .join('\n')
}
