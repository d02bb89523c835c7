import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { api, type Schema, unwrap } from "@/api/client";

export type Template = Schema["TemplateAnswer"];
export type TemplateWrite = Schema["TemplateWrite"];
export type Sort = "newest" | "used";

export const TEMPLATES = ["templates"] as const;

/** The company's templates, page by page. */
export function templatesQuery(q: string, sort: Sort) {
  return infiniteQueryOptions({
    queryKey: [...TEMPLATES, { q, sort }],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/sms/templates", {
          params: { query: { sort, limit: 50, ...(q ? { q } : {}), ...(pageParam ? { cursor: pageParam } : {}) } },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
}

/** What a text becomes when nobody in particular gets it. */
export function previewQuery(body: string) {
  return queryOptions({
    queryKey: [...TEMPLATES, "preview", body],
    queryFn: ({ signal }) => unwrap(api.POST("/api/sms/templates/preview", { body: { body }, signal })),
    enabled: body.trim() !== "",
    retry: false,
  });
}

/** Saves a new template, or a new state of one. */
export function saveTemplate(id: string | null, body: TemplateWrite): Promise<Template> {
  if (id === null) return unwrap(api.POST("/api/sms/templates", { body }));
  return unwrap(api.PUT("/api/sms/templates/{template_id}", { params: { path: { template_id: id } }, body }));
}

/** Removes a template. */
export async function deleteTemplate(id: string): Promise<void> {
  await unwrap(api.DELETE("/api/sms/templates/{template_id}", { params: { path: { template_id: id } } }));
}
