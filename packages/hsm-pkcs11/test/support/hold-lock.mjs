/** Takes the lock of the name in the arguments, says so, and never lets go. */
import { TokenLock } from '../../dist/host/token-lock.js'

const lock = new TokenLock(process.argv[2])
await lock.acquire(new AbortController().signal)
process.send?.('held')
setInterval(() => undefined, 1000)
