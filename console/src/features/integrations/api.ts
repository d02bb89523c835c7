import { queryOptions } from "@tanstack/react-query";

import { api, type Schema, unwrap } from "@/api/client";

export type Connected = Schema["ConnectedAnswer"];
export type Finding = Schema["FindingAnswer"];
export type Outcome = Schema["WebhookOutcomeAnswer"];
export type Level = Finding["level"];

export const TWILIO = ["twilio"] as const;

/** The connected account, or that there is none. */
export const settingsQuery = queryOptions({
  queryKey: [...TWILIO, "settings"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/twilio-settings", { signal })),
});

/** What the doctor finds just now: asks Twilio, so not by itself more often than needed. */
export const doctorQuery = queryOptions({
  queryKey: [...TWILIO, "doctor"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/twilio-settings/doctor", { signal })),
  staleTime: 60_000,
  refetchOnWindowFocus: false,
});

/** The account's numbers as Twilio lists them just now. */
export const atTwilioQuery = queryOptions({
  queryKey: [...TWILIO, "numbers"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/twilio-settings/phone-numbers", { signal })),
  staleTime: 60_000,
  refetchOnWindowFocus: false,
});

export interface Credentials {
  sid: string;
  token: string;
  name: string;
  webhooks: boolean;
}

/** Connects an account, or replaces the credentials of the connected one. */
export function saveCredentials(replaces: boolean, { sid, token, name, webhooks }: Credentials) {
  const shared = { account_sid: sid, friendly_name: name || null, set_webhooks: webhooks };
  return replaces
    ? unwrap(api.PUT("/api/twilio-settings", { body: { ...shared, auth_token: token || null } }))
    : unwrap(api.POST("/api/twilio-settings", { body: { ...shared, auth_token: token } }));
}

export const verify = () => unwrap(api.POST("/api/twilio-settings/verify"));
export const setWebhooks = () => unwrap(api.POST("/api/twilio-settings/webhooks"));
export const syncNumbers = () => unwrap(api.POST("/api/twilio/sync/phone-numbers"));

/** Forgets the account and its token. */
export async function disconnect(): Promise<void> {
  await unwrap(api.DELETE("/api/twilio-settings"));
}
