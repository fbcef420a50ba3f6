/** The certificate request (PKCS#10) of a client: its public key and proof that it holds the private one. */
import { createPrivateKey, createPublicKey, type KeyObject, webcrypto } from 'node:crypto'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** PEM. The server takes only key and proof from it; the name is there for people who look at it. */
export async function makeCertificateRequest(tlsKey: string, commonName: string): Promise<string> {
  // Needed once in a client's life; services that import this package never load it.
  await import('reflect-metadata')
  const { Pkcs10CertificateRequestGenerator } = await import('@peculiar/x509')
  const privateKey = createPrivateKey(tlsKey)
  const request = await Pkcs10CertificateRequestGenerator.create(
    {
      name: [{ CN: [commonName] }],
      keys: {
        privateKey: await toCryptoKey(privateKey, 'sign'),
        publicKey: await toCryptoKey(createPublicKey(privateKey), 'verify'),
      },
      signingAlgorithm: algorithm,
    },
    webcrypto as Parameters<typeof Pkcs10CertificateRequestGenerator.create>[1],
  )
  return request.toString('pem')
}

async function toCryptoKey(key: KeyObject, usage: 'sign' | 'verify') {
  const jwk = key.export({ format: 'jwk' })
  return await webcrypto.subtle.importKey('jwk', jwk, algorithm, true, [usage])
}
