/** The raw operation that each operation of the services cannot be faster than. */

/** An open unwraps once. */
export const openLimits = {
  'ec-p256': 'ec-p256 derive',
  'rsa-2048': 'rsa-2048 decrypt',
  'aes-256': 'aes-256 decrypt',
}

/** A seal makes a key in scope `deposit`, and wraps under the one that is there in the others. */
export const sealLimits = {
  'deposit ec-p256': 'ec-p256 generate',
  'service rsa-2048': 'rsa-2048 encrypt',
  'service aes-256': 'aes-256 encrypt',
}
