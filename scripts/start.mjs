#!/usr/bin/env node
/**
 * The whole stack in the foreground with a persistent home (`./.keyhsm`), until Ctrl-C: `npm start`.
 * The first start makes token, settings, database and client; later ones start what is there.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { runMain, say } from './lib/say.mjs'
import { root, setUp } from './set-up.mjs'

await runMain(async () => {
  setUp()
  const { Stack } = await import('../interop/lib/stack.mjs')
  const { isOpenToAll } = await import('../interop/lib/program-root.mjs')
  const home = process.env.KEYHSM_START_HOME ?? usualHome(isOpenToAll)
  const portsFile = join(home, 'ports.json')
  putAsideUnfinished(home, portsFile)
  mkdirSync(home, { recursive: true })
  const ports = existsSync(portsFile) ? JSON.parse(readFileSync(portsFile, 'utf8')) : undefined
  const stack = await Stack.create({ home, ports, usualPorts: true, print: (line) => say(line) })
  const stopped = waitForSignal()
  try {
    if (ports) await stack.start()
    else await stack.bringUp()
    const kms = await startKms(stack, ports?.kms)
    writeFileSync(portsFile, JSON.stringify({ ...stack.ports, kms }))
    printInvitation(stack, kms)
    await stopped
  } finally {
    await stack.stop()
  }
  return 0
})

/** A first start that was interrupted left a home that never worked: it is kept under another name, and made anew. */
function putAsideUnfinished(home, portsFile) {
  if (existsSync(portsFile) || !existsSync(home) || readdirSync(home).length === 0) return
  const aside = `${home}.unfinished-${Date.now()}`
  renameSync(home, aside)
  say(`start: the first start did not finish; what it made is now in ${aside}`)
}

/** In the checkout; as root in a private checkout, where the services' users could not enter, below /var/lib. */
function usualHome(isOpenToAll) {
  if (process.getuid() !== 0 || isOpenToAll(root)) return join(root, '.keyhsm')
  return '/var/lib/keyhsm-checkout'
}

/** Ctrl-C reaches the whole process group; the services ignore nothing, so they are simply asked to stop afterwards. */
function waitForSignal() {
  return new Promise((resolve) => {
    // Waiting for a signal alone does not keep a process alive.
    const alive = setInterval(() => {}, 60_000)
    for (const signal of ['SIGINT', 'SIGTERM']) {
      process.on(signal, () => {
        clearInterval(alive)
        resolve(signal)
      })
    }
  })
}

/** Makes a KMS on loopback where the home has none, and starts it; returns its port. */
async function startKms(stack, known) {
  const { freePort } = await import('../interop/lib/ports.mjs')
  const port = known ?? (await freePort(9600))
  if (known === undefined) {
    const fingerprint = await stack.serverFingerprint()
    await stack.run(
      `keytrustee-kms init --server ${stack.url} --org demo --auth-file ${stack.authFile} --server-fingerprint ${fingerprint} --port ${port}`,
    )
    await stack.run(
      `echo keytrustee-kms.host=127.0.0.1 >> ${stack.home}/keytrustee-kms/kms.properties`,
    )
  }
  await stack.run('keytrustee-kms start')
  return port
}

function printInvitation(stack, kms) {
  say(`\nRunning until Ctrl-C; home ${stack.home}. Paste into another shell:`)
  console.log(stack.exports.join('; '))
  console.log("echo 'my secret' | keytrustee put first-deposit")
  console.log('keytrustee get first-deposit')
  console.log(
    `curl -sS --cacert ${stack.home}/keytrustee-kms/tls/kms.pem 'https://localhost:${kms}/kms/v1/keys/names?user.name=me'`,
  )
}
