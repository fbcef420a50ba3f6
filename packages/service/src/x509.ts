/** The certificate library, ready to use: it needs the reflection polyfill loaded before it, and to be told which crypto. */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

x509.cryptoProvider.set(webcrypto)

export { x509 }
