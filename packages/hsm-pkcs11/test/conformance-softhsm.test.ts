/** The contract on SoftHSM: a real library, a token of its own, and the distribution's tools to hurt it. */
import { describeHsm } from '@keyhsm/hsm/conformance'
import { underTest } from './support/real-module.js'
import { softhsmLibrary, softhsmPin, SofthsmToken } from './support/softhsm-token.js'

describeHsm('softhsm', async () => {
  const token = await SofthsmToken.make()
  return underTest({
    token,
    library: softhsmLibrary,
    env: token.env,
    pin: softhsmPin,
    wrongPin: 'marked-wrong-pin',
    plantDuplicate: async ({ id, kind }) => {
      const made =
        kind === 'aes-256'
          ? ['--keygen', '--key-type', 'AES:32']
          : ['--keypairgen', '--key-type', 'EC:prime256v1']
      await token.tool(...made, '--id', id, '--label', 'planted')
    },
  })
})
