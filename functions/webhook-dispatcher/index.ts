import { listenOptions } from "../_shared/env.ts";
import { createRuntime } from "../_shared/runtime.ts";
import { createHandler } from "./handler.ts";

Deno.serve(listenOptions(), createHandler(createRuntime("webhook-dispatcher")));
