/** Holds a bill of materials against CycloneDX's own schema, strictly: `node stack/release/validate.mjs FILE`. */

import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { readFile } from "node:fs/promises";

const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
const wrong = await validator.validate(await readFile(process.argv[2], "utf8"));
console.log(wrong === null ? "valid" : JSON.stringify(wrong, null, 2));
process.exitCode = wrong === null ? 0 : 1;
