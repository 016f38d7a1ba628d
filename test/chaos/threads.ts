import type { Worker } from 'node:worker_threads'

/** The worker threads that this process has started, whoever started them, so that they can be ended where they stand. */
export class Threads {
  readonly #alive = new Set<Worker>()
  readonly #onWorker = (worker: Worker) => {
    this.#alive.add(worker)
    worker.once('exit', () => this.#alive.delete(worker))
  }

  constructor() {
    process.on('worker', this.#onWorker)
  }

  async endOne(pick: (threads: Worker[]) => Worker): Promise<void> {
    if (this.#alive.size > 0) await pick([...this.#alive]).terminate()
  }

  stop(): void {
    process.off('worker', this.#onWorker)
  }
}
