/**
 * What the functions take from environment variables.
 *
 * @module
 */

import { readSettings, type Settings } from "./core.ts";
import type { Log } from "./log.ts";

/** Reads a variable. */
export type Variable = (name: string) => string | undefined;

/** The settings. A variable that is wrong is logged, and its default is used. */
export function settingsFrom(variable: Variable, log: Log): Settings {
  const settings = readSettings(variable);
  for (const error of settings.errors) log("warn", "setting_ignored", { error });
  return settings;
}

/** The keys that callers may present: the values of SUPABASE_SECRET_KEYS and SUPABASE_SERVICE_ROLE_KEY. */
export function acceptedKeysFrom(variable: Variable, log: Log): string[] {
  const keys = secretKeys(variable("SUPABASE_SECRET_KEYS"), log);
  const legacy = variable("SUPABASE_SERVICE_ROLE_KEY");
  if (legacy) keys.push(legacy);
  if (keys.length === 0) {
    log("error", "no_keys", {
      error: "neither SUPABASE_SECRET_KEYS nor SUPABASE_SERVICE_ROLE_KEY is set: every caller is refused",
    });
  }
  return keys;
}

/** How to listen when a function runs on its own; the hosted runtime chooses for itself. */
export function listenOptions(variable: Variable = Deno.env.get): { port: number; hostname: string } {
  const text = variable("PORT") || "8000";
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Error(`PORT: expected a number from 0 to 65535, got "${text}"`);
  }
  return { port, hostname: variable("HOST") || "127.0.0.1" };
}

function secretKeys(text: string | undefined, log: Log): string[] {
  if (!text) return [];
  const keys = parsed(text);
  if (isObject(keys)) return Object.values(keys).filter((key) => typeof key === "string");
  log("error", "secret_keys_ignored", {
    error: 'SUPABASE_SECRET_KEYS: expected a JSON object like {"default":"sb_secret_…"}',
  });
  return [];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
