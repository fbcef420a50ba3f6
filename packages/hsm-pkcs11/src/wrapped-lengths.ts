import {
  aesGcmWrappedBytes,
  eciesWrappedBytes,
  type WrapAlgorithm,
  wrappedKeyRefused,
} from '@keyhsm/hsm'

/** 2048 and 3072 bits. */
const modulusBytes = [256, 384] as const

const lengths: Readonly<Record<WrapAlgorithm, readonly number[]>> = {
  'rsa-oaep-sha256': modulusBytes,
  'rsa-oaep-sha1': modulusBytes,
  'ecies-p256-hkdf-sha256-aes-256-gcm': [eciesWrappedBytes],
  'aes-256-gcm': [aesGcmWrappedBytes],
  // RFC 5649: 32 bytes and one block of 8.
  'aes-256-kwp': [40],
}

/** @throws ERR_INTEGRITY when the algorithm is unknown or never makes that many bytes: the device is not asked. */
export function checkWrappedBytes(algorithm: WrapAlgorithm, bytes: Buffer): void {
  const known = Object.hasOwn(lengths, algorithm) ? lengths[algorithm] : []
  if (!known.includes(bytes.length)) throw wrappedKeyRefused()
}
