/**
 * What docs/ describes for machines, as ajv reads it.
 *
 * @module
 */

import { Ajv2020, type ValidateFunction } from "ajv/2020";
import formats from "ajv-formats";

const DOCS = new URL("../../docs/", import.meta.url);

export async function document(name: string) {
  return JSON.parse(await Deno.readTextFile(new URL(name, DOCS)));
}

/** An ajv that knows the formats, asserts them, and refuses keywords that it does not know. */
export function strictAjv(): Ajv2020 {
  const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true });
  formats.default(ajv);
  return ajv;
}

/** The schemas of docs/schemas by their names: an event's, or `envelope`. */
export async function schemas(): Promise<Map<string, Record<string, unknown>>> {
  const found = new Map<string, Record<string, unknown>>();
  for await (const { name } of Deno.readDir(new URL("schemas", DOCS))) {
    found.set(name.replace(/\.schema\.json$/, ""), await document(`schemas/${name}`));
  }
  return found;
}

/** A validator for each of them. */
export async function validators(): Promise<Map<string, ValidateFunction>> {
  return new Map([...await schemas()].map(([name, schema]) => [name, strictAjv().compile(schema)]));
}

/** Where the references of a document lead that lead nowhere. */
export function danglingReferences(document: unknown): string[] {
  const dangling: string[] = [];
  const visit = (value: unknown) => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === "$ref" && typeof inner === "string" && !leadsSomewhere(document, inner)) {
        dangling.push(inner);
      }
      visit(inner);
    }
  };
  visit(document);
  return dangling;
}

function leadsSomewhere(document: unknown, reference: string): boolean {
  if (!reference.startsWith("#/")) return false;
  let at = document;
  for (const key of reference.slice(2).split("/")) {
    at = (at as Record<string, unknown> | undefined)?.[key.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return at !== undefined;
}
