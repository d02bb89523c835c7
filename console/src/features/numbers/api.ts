import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { api, type Schema, unwrap } from "@/api/client";

export type PhoneNumber = Schema["PhoneNumberAnswer"];
export type NumberChange = Schema["NumberChange"];
export type Offer = Schema["OfferAnswer"];
export type Purchase = Schema["PurchaseAnswer"];
export type Show = "all" | "active" | "inactive" | "released";
export type Kind = "local" | "mobile" | "toll-free";

export const NUMBERS = ["numbers"] as const;

const FILTERS: Record<Show, { status?: "active" | "inactive"; released?: boolean }> = {
  all: {},
  active: { status: "active", released: false },
  inactive: { status: "inactive", released: false },
  released: { released: true },
};

/** The company's numbers, page by page. */
export function numbersQuery(show: Show) {
  return infiniteQueryOptions({
    queryKey: [...NUMBERS, "list", show],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/sms/phone-numbers", {
          params: { query: { limit: 50, ...FILTERS[show], ...(pageParam ? { cursor: pageParam } : {}) } },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
}

/** How the syncs stand; asked often while one is under way. */
export const syncQuery = queryOptions({
  queryKey: [...NUMBERS, "sync"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/twilio/sync/status", { signal })),
  refetchInterval: (query) => (query.state.data?.current ? 1_500 : false),
});

export const syncNumbers = () => unwrap(api.POST("/api/twilio/sync/phone-numbers"));

export function changeNumber(id: string, body: NumberChange): Promise<PhoneNumber> {
  return unwrap(api.PATCH("/api/sms/phone-numbers/{number_id}", { params: { path: { number_id: id } }, body }));
}

export interface Wish {
  country: string;
  type: Kind;
  areaCode: string;
  contains: string;
  needs: readonly string[];
}

/** Numbers for sale. */
export function offersQuery(wish: Wish | null) {
  return queryOptions({
    queryKey: [...NUMBERS, "offers", wish],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/sms/phone-numbers/available", {
          params: {
            query: {
              country: wish?.country ?? "US",
              type: wish?.type ?? "local",
              limit: 20,
              ...(wish?.areaCode ? { area_code: wish.areaCode } : {}),
              ...(wish?.contains ? { contains: wish.contains } : {}),
              ...Object.fromEntries((wish?.needs ?? []).map((need) => [need, true])),
            },
          },
          signal,
        }),
      ),
    enabled: wish !== null,
    staleTime: 30_000,
    refetchOnWindowFocus: false,
  });
}

/** Buys a number; the key makes the same wish count once. */
export function buyNumber(number: string, name: string, key: string): Promise<Purchase> {
  return unwrap(
    api.POST("/api/sms/phone-numbers/buy", {
      params: { header: { "Idempotency-Key": key } },
      body: { phone_number: number, ...(name ? { friendly_name: name } : {}) },
    }),
  );
}

/** What became of a purchase; asked until it is known. */
export function purchaseQuery(id: string | null) {
  return queryOptions({
    queryKey: [...NUMBERS, "purchase", id],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/sms/phone-numbers/purchases/{purchase_id}", {
          params: { path: { purchase_id: id ?? "" } },
          signal,
        }),
      ),
    enabled: id !== null,
    refetchInterval: (query) => (["buying", "unknown"].includes(query.state.data?.status ?? "buying") ? 2_000 : false),
  });
}
