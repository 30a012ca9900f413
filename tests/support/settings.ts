/**
 * Settings for tests: the defaults, but for jitter and for what a test says.
 *
 * @module
 */

import { Dispatcher, readSettings, type Settings } from "../../functions/_shared/core.ts";

export function testSettings(settings: Partial<Settings> = {}): Settings {
  return {
    ...readSettings(() => undefined),
    jitterPercent: 0,
    allowedAddresses: "127.0.0.0/8,::1",
    ...settings,
  };
}

/** A dispatcher with such settings, and credentials in these variables. */
export function testDispatcher(
  settings: Partial<Settings> = {},
  variables: Record<string, string> = {},
): Dispatcher {
  return new Dispatcher(testSettings(settings), (name) => variables[name]);
}
