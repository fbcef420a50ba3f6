/** A service that connects to the SoftHSM token with this label, says its host's process id, and waits to be killed. */
import { SecretBytes } from '@keyhsm/core'
import { connectPkcs11 } from '@keyhsm/hsm-pkcs11'

const pin = SecretBytes.own(Buffer.from(process.env.PIN_FOR_TEST ?? ''))
const hsm = await connectPkcs11({ profile: 'softhsm', token: { label: process.argv[2] }, pin })
process.send?.(hsm.hostProcessId)
setInterval(() => undefined, 1000)
