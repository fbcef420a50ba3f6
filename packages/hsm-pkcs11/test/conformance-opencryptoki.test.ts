/** The contract on openCryptoki's software token: a third library, with a daemon between its processes. */
import { describeHsm, type HsmUnderTest, skipHsm } from '@keyhsm/hsm/conformance'
import {
  OpencryptokiToken,
  opencryptokiLibrary,
  opencryptokiPin,
  whyNoOpencryptoki,
} from './support/opencryptoki-token.js'
import { underTest } from './support/real-module.js'

async function setUp(): Promise<HsmUnderTest> {
  const token = await OpencryptokiToken.make()
  const module = await underTest({
    token,
    library: opencryptokiLibrary,
    pin: opencryptokiPin,
    wrongPin: 'wrong-78',
    plantDuplicate: async ({ id }) => {
      await token.tool('--keygen', '--key-type', 'AES:32', '--id', id, '--label', 'planted')
    },
  })
  const kinds = {
    'ec-p256': 'openCryptoki 3.8 has no EC keys',
    'aes-256': 'openCryptoki 3.8 has neither AES-GCM nor a key wrap',
    'cmac-aes-256': 'openCryptoki 3.8 has no AES-CMAC',
  }
  return { ...module, skip: { kinds } }
}

const reason = whyNoOpencryptoki()
if (reason === undefined) describeHsm('opencryptoki', setUp, { pair: 'rsa-2048' })
else skipHsm('opencryptoki', reason)
