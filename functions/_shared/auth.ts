/**
 * Who is calling? A key in `apikey` or as the bearer token; a JWT is a key like any other and never decoded.
 *
 * @module
 */

import { keyMatches } from "./core.ts";

/** Whether a request comes with one of the keys. */
export type Authorizer = (request: Request) => boolean;

export function createAuthorizer(acceptedKeys: string[]): Authorizer {
  return (request) => {
    const bearer = /^Bearer\s+(.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1]?.trim();
    return [request.headers.get("apikey"), bearer].some((key) => key && keyMatches(key, acceptedKeys));
  };
}
