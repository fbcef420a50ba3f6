/** The present password of the keystore, where no file and no credential holds it: given, or asked for at a terminal. */
import { findSecret, type Input, type Io, type Option } from '@keyhsm/command-line'
import { hasKeystore, readKeystore } from '../keystore.js'
import { passwordVariable, readPasswords } from '../keystore-password.js'
import type { Paths } from '../paths.js'
import type { Environment } from '../keystore-password.js'
import { tryAgain } from '../setup/run-dialogue.js'

/** Of commands that start the service. */
export const keystorePasswordOption: Option = {
  flag: 'keystore-password-file',
  value: 'F',
  file: true,
  secret: true,
  describe:
    'password of the keystore, where keystore/password and the systemd credential do not hold it',
}

/** The environment, with the password in it where it was given or asked for; asked again until it opens the keystore. */
export async function withKeystorePassword(
  input: Pick<Input, 'files' | 'options'>,
  io: Io,
  { keystore }: Pick<Paths, 'keystore'>,
): Promise<Environment> {
  const { flag } = keystorePasswordOption
  const given = findSecret(input, io, { fileFlag: flag, prompt: 'Keystore password' })
  if (given !== undefined) return { ...io.env, [passwordVariable]: given }
  if (!io.isTerminal || io.json) return io.env
  if ((await readPasswords(keystore, io.env)).length > 0) return io.env
  if (!(await hasKeystore(keystore))) return io.env
  return await tryAgain(io, async () => {
    const password = await io.askSecret('Please enter the keystore password (input suppressed):')
    const env = { ...io.env, [passwordVariable]: password }
    await readKeystore(keystore, env)
    return env
  })
}
