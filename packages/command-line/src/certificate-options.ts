import type { Option } from './records.js'

/** What `cert replace` takes of every service: a certificate that an authority made, with its key. */
export const certificateOptions: readonly Option[] = [
  {
    flag: 'cert',
    value: 'F',
    file: true,
    required: true,
    describe: 'certificate and chain, PEM',
  },
  {
    flag: 'key',
    value: 'F',
    file: true,
    secret: true,
    required: true,
    describe: 'its private key',
  },
  {
    flag: 'passphrase-file',
    value: 'F',
    file: true,
    secret: true,
    describe: 'passphrase of the private key',
  },
]
