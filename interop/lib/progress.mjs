/** One line of progress now and then: done, rate, time left. */
export class Progress {
  #began = Date.now()
  #printed = 0
  #done = 0

  constructor(name, total) {
    this.name = name
    this.total = total
  }

  step(note = '') {
    this.#done += 1
    const now = Date.now()
    if (now - this.#printed < 5000 && this.#done < this.total) return
    this.#printed = now
    const rate = this.#done / ((now - this.#began) / 1000)
    const left = Math.round((this.total - this.#done) / rate)
    process.stderr.write(
      `${this.name}: ${this.#done} of ${this.total}, ${rate.toFixed(1)}/s, ${left} s left ${note}\n`,
    )
  }
}
