/** What a process that ends after one answer does not need. */
import v8 from 'node:v8'

/**
 * Compiles WebAssembly once and quickly from here on. The HTTP client's parser is WebAssembly, which V8 11 (Node.js 20) compiles a
 * second time, optimised, as soon as it is loaded: a quarter of a command's processor time, for one answer. Later V8
 * optimises only what is called often, and is left alone.
 * @see docs/decisions/0166-webassembly-compiled-once.md
 */
export function compileForOneAnswer(nodeVersion: string = process.versions.node): void {
  if (nodeVersion.startsWith('20.')) v8.setFlagsFromString('--liftoff-only')
}
