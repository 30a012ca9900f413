/**
 * Idealised TypeScript as a pipeline: the next rows are claimed while others are sent, and results are written in the
 * background, hundreds a statement.
 *
 * @module
 */

import { CONCURRENCY, taken } from "./send.ts";
import type { Deadline } from "./serve.ts";
import { CLAIMED, type Result, type Row, type Table } from "./table.ts";

export interface PipelineOptions extends Table {
  send: (row: Row) => Promise<Result>;
  isOver: Deadline;
}

/** Results a statement, at least, as long as there will be more. */
const WRITTEN = 250;

/** Returns how many deliveries a receiver took. Rejects if the table does. */
export async function pipeline({ claim, record, send, isOver }: PipelineOptions): Promise<number> {
  const waiting: Row[] = [];
  const results: Result[] = [];
  let delivered = 0;
  let underWay = 0;
  let isEmpty = false;
  let claiming: Promise<void> | undefined;
  let writing: Promise<void> | undefined;
  let failure: unknown;
  let wake = () => {};

  const fail = (error: unknown) => {
    failure ??= error;
  };
  const fill = () => {
    if (claiming || isEmpty || waiting.length >= CLAIMED || isOver()) return;
    claiming = claim().then((rows) => {
      isEmpty = rows.length === 0;
      waiting.push(...rows.reverse());
    }, fail).finally(() => {
      claiming = undefined;
      wake();
    });
  };
  const isWorthWriting = () => results.length >= WRITTEN || (underWay === 0 && results.length > 0);
  const write = () => {
    if (writing || !isWorthWriting()) return;
    const written = results.splice(0);
    writing = record(written).then(() => {
      delivered += taken(written);
    }, fail).finally(() => {
      writing = undefined;
      wake();
    });
  };
  const start = () => {
    while (underWay < CONCURRENCY) {
      const row = waiting.pop();
      if (!row) return;
      underWay++;
      send(row).then((result) => {
        results.push(result);
        underWay--;
        start();
        // Slots are taken again at once; the loop is woken for what else there is to do.
        if (underWay === 0 || isWorthWriting() || waiting.length < CLAIMED) wake();
      });
    }
  };

  while (failure === undefined) {
    const woken = new Promise<void>((resolve) => wake = resolve);
    fill();
    start();
    write();
    if (!claiming && !writing && underWay === 0 && waiting.length === 0) break;
    await woken;
  }
  if (failure !== undefined) throw failure;
  return delivered;
}
