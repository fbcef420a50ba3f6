/** A clock that tests move. */
export class TestClock {
  ms: number

  constructor(ms = 1_700_000_000_000) {
    this.ms = ms
  }

  now(): Date {
    return new Date(this.ms)
  }

  advance(ms: number): void {
    this.ms += ms
  }
}
