/**
 * Emits the application's events, from a page, an edge function or Node: one file to copy or to import, without a
 * dependency.
 *
 *     await emit(supabase, {
 *       event_type: "user.joined_community",
 *       event_data: { community_id, community_name, community_city, member_count },
 *       actor_user_id: user.id,
 *     });
 *
 * It calls `dispatch_webhook` by the API of the project, as the caller of `supabase.rpc` does by hand. Who listens, and
 * whether anybody does, is the database's business.
 *
 * @module
 */

/** A client of supabase-js, of any version and with any types of a database. */
export interface RpcClient {
  // Typed clients know their own functions only, and say so by types that nobody else can name.
  // deno-lint-ignore no-explicit-any
  rpc(name: any, args: any): PromiseLike<{ error: RpcError | null; status?: number }>;
}

/** The API of a project without a client. */
export interface Api {
  /** `https://YOUR_PROJECT_REF.supabase.co` */
  url: string;
  /** A publishable or a secret key, or one of the older ones. */
  key: string;
  /** The access token of the signed-in user; without it the key says who calls. */
  token?: string | undefined;
}

export type EventType = keyof EventData;

/** An event of one type, with its data. */
export interface EventOf<Type extends EventType> {
  event_type: Type;
  event_data: EventData[Type];
  /** The user who did it. */
  actor_user_id?: string | null | undefined;
}

/** An event of any type: what `event_data` holds follows from `event_type`. */
export type WebhookEvent = { [Type in EventType]: EventOf<Type> }[EventType];

/** Why an event was not emitted. */
export class EmitError extends Error {
  override name = "EmitError";
  readonly eventType: EventType;
  /** PostgreSQL's or PostgREST's, `HTTP 401` and the like, or empty where no answer came. */
  readonly code: string;

  constructor(eventType: EventType, code: string, reason: string) {
    super(`${eventType} was not emitted: ${reason}`);
    this.eventType = eventType;
    this.code = code;
  }
}

/**
 * Emits an event: one pending delivery for each active endpoint that subscribes to it.
 *
 * @param to a client of supabase-js, or where the API is and who calls
 * @throws {EmitError} that says what was wrong, where the database has not taken it
 */
export async function emit<Type extends EventType>(
  to: RpcClient | Api,
  event: EventOf<Type>,
): Promise<void> {
  const { event_type, event_data, actor_user_id } = event;
  const args = { event_type, event_data, ...(actor_user_id != null && { actor_user_id }) };
  const failure = "rpc" in to ? await callClient(to, args) : await callApi(to, args);
  if (failure) throw new EmitError(event_type, failure.code, reasonOf(failure));
}

// The events, generated from crates/webhook-payload by `cargo xtask describe`: do not edit them here.

/** What the application's events carry, by their names. */
export interface EventData {
  /** Somebody signed up. */
  "user.joined_platform": {
    /** The new user. */
    user_id: string;
    /** The address that the user signed up with. */
    email: string;
    /** The name that the user gave. */
    name: string;
  };
  /** Somebody became a member of a community. */
  "user.joined_community": {
    /** The community. */
    community_id: string;
    /** Its name. */
    community_name: string;
    /** Its city. */
    community_city: string;
    /** How many members it has, the new one included. */
    member_count: number;
  };
  /** Somebody registered for an event of a community. */
  "user.registered_event": {
    /** The event of the community. */
    event_id: string;
    /** The registration. */
    registration_id: string;
    /** The payment; null where the event is free. */
    payment_id: string | null;
    /** The registration's status: text, because its set of values has changed before. */
    status: string;
  };
  /** Somebody withdrew a registration. */
  "user.cancelled_registration": {
    /** The event of the community. */
    event_id: string;
    /** The registration that was withdrawn. */
    registration_id: string;
  };
  /** Somebody commented on a discussion. */
  "user.posted_comment": {
    /** The discussion. */
    discussion_id: string;
    /** The comment. */
    comment_id: string;
    /** What it says. */
    comment_text: string;
  };
  /** Somebody flagged a comment for the moderators. */
  "user.flagged_comment": {
    /** The comment. */
    comment_id: string;
    /** Its author. */
    flagged_user_id: string;
    /** Why it was flagged. */
    reason: string;
  };
  /** Somebody's referral code brought a new user. */
  "user.referred_user": {
    /** The new user. */
    referred_user_id: string;
    /** Who brought the new user. */
    referrer_id: string;
    /** The code that was used. */
    referral_code: string;
  };
  /** A discussion reached its expiry. */
  "discussion.auto_closed": {
    /** The discussion. */
    discussion_id: string;
    /** The expiry that it reached, ISO 8601: with `discussion_id` it names this expiry. */
    closed_at: string;
  };
  /** A discussion got a later expiry. */
  "discussion.extended": {
    /** The discussion. */
    discussion_id: string;
    /** Its new expiry, ISO 8601. */
    new_expires_at: string;
  };
}

// The end of what is generated.

/** What PostgREST says of a failure. */
export interface RpcError {
  message: string;
  code?: string;
}

const FUNCTION = "dispatch_webhook";

interface Failure {
  code: string;
  message: string;
}

async function callClient(client: RpcClient, args: object): Promise<Failure | null> {
  try {
    const { error, status } = await client.rpc(FUNCTION, args);
    return error && { code: error.code || httpCode(status), message: error.message };
  } catch (error) {
    // A client may be told to throw.
    return { code: String((error as RpcError).code ?? ""), message: String((error as Error).message) };
  }
}

async function callApi({ url, key, token }: Api, args: object): Promise<Failure | null> {
  if (!key) return { code: "", message: "key: expected a key of the project, got none" };
  try {
    const answer = await fetch(`${url.replace(/\/+$/, "")}/rest/v1/rpc/${FUNCTION}`, {
      method: "POST",
      headers: {
        apikey: key,
        authorization: `Bearer ${token || key}`,
        "content-type": "application/json",
      },
      body: JSON.stringify(args),
    });
    const text = await answer.text();
    return answer.ok ? null : failureIn(text, answer.status);
  } catch (error) {
    return { code: "", message: `${url} does not answer: ${(error as Error).message}` };
  }
}

/** PostgREST answers with a code and a message; what stands before it may answer with a message alone, or a page. */
function failureIn(text: string, status: number): Failure {
  const code = httpCode(status);
  try {
    const said = JSON.parse(text);
    return { code: said.code || code, message: said.message || said.msg || code };
  } catch {
    return { code, message: code };
  }
}

function httpCode(status: number | undefined): string {
  return status ? `HTTP ${status}` : "";
}

function reasonOf({ code, message }: Failure): string {
  const said = code && code !== message ? `${message} (${code})` : message;
  const hint = HINTS[code];
  return hint ? `${hint}: ${said}` : said;
}

/** By the code of PostgreSQL or PostgREST: https://postgrest.org/en/stable/references/errors.html */
const HINTS: Record<string, string> = {
  "42501": "no permission; the caller's role needs execute on function public.dispatch_webhook",
  "42883": "the function public.dispatch_webhook is not as expected",
  PGRST202: "there is no function public.dispatch_webhook(event_type, event_data, actor_user_id)",
  PGRST106: "the API does not expose the schema public",
  PGRST301: "the caller's token is not accepted; sign in again",
  PGRST302: "who is not signed in may not call",
  PGRST303: "the caller's token is not accepted; sign in again",
  "22P02": "actor_user_id is no UUID",
  "HTTP 401": "the key is not accepted",
};
