/** Progress goes to stderr, so that stdout holds results alone. */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** An error whose message is all that a user needs to see. */
export class Failure extends Error {}

/** Runs a program's main function; a Failure is shown as one line. */
export async function run(main) {
  try {
    await main();
  } catch (error) {
    say(error instanceof Failure ? `error: ${error.message}` : `error: ${error.stack}`);
    process.exitCode = 1;
  }
}
