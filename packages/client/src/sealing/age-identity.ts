/** age identities: the secret halves of recipients. Loaded when needed: services that import this package never do. */

/** A fresh post-quantum hybrid identity (`AGE-SECRET-KEY-PQ-1…`). */
export async function makeAgeIdentity(): Promise<string> {
  const { generateHybridIdentity } = await import('age-encryption')
  return await generateHybridIdentity()
}

/** The recipient of an identity, undefined when the text is none. */
export async function findRecipient(identity: string): Promise<string | undefined> {
  const { identityToRecipient } = await import('age-encryption')
  return await identityToRecipient(identity).catch(() => undefined)
}
