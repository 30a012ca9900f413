import { createRuntime, listenOptions } from "../_shared/runtime.ts";
import { createHandler } from "./handler.ts";

Deno.serve(listenOptions(), createHandler(createRuntime("test-webhook")));
