/** What is wrong with a pattern, in words that name its part. */
export class PatternFault extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'PatternFault'
  }
}
