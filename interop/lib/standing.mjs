/**
 * What stands is taken down also when its program is told to end, or ends by an error that nobody caught: no `finally` is
 * reached then.
 */
const standing = new Set()
let watched = false
const signals = { SIGTERM: 143, SIGHUP: 129, SIGINT: 130 }

/** From now on `thing.remove()` is called at such an end. */
export function stands(thing) {
  watch()
  standing.add(thing)
}

/** It is being removed in the ordinary way. */
export function fell(thing) {
  standing.delete(thing)
}

function watch() {
  if (watched) return
  watched = true
  for (const [signal, exit] of Object.entries(signals)) {
    // Not once: Ctrl-C reaches a program of `npm run` twice, from the terminal and from npm.
    process.on(signal, () => {
      // A program that ends in order by itself does so.
      if (process.listenerCount(signal) === 1) takeDown(`told to end by ${signal}`, exit)
    })
  }
  process.on('uncaughtException', (error) => takeDown(error.stack ?? String(error), 1))
}

let ending = false

/** What still goes wrong after the first call comes of the taking down. */
function takeDown(why, exit) {
  if (ending) return
  ending = true
  process.stderr.write(`${why}\nstopping what was started\n`)
  void removeAll().then(() => process.exit(exit))
}

async function removeAll() {
  for (const thing of standing) {
    await thing.remove().catch((error) => process.stderr.write(`${error.message}\n`))
  }
}
