import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";

import { NotFound } from "@/components/not-found";
import { contactsSearch } from "@/features/contacts/search";
import { callsSearch } from "@/features/calls/search";
import { messagesSearch } from "@/features/messages/search";
import { numbersSearch } from "@/features/numbers/search";

import { Shell } from "./shell";

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

interface ConversationSearch {
  tab?: string;
}

const tabOf = (search: Record<string, unknown>): ConversationSearch =>
  typeof search.tab === "string" ? { tab: search.tab } : {};
const conversations = lazyRouteComponent(() => import("@/features/conversations/conversations"), "Conversations");

// Each page is a file of its own, fetched when somebody first goes there.
const pages = [
  createRoute({
    getParentRoute: () => root,
    path: "/",
    component: lazyRouteComponent(() => import("@/features/home/home"), "Home"),
  }),
  createRoute({ getParentRoute: () => root, path: "/conversations", validateSearch: tabOf, component: conversations }),
  createRoute({ getParentRoute: () => root, path: "/conversations/$id", validateSearch: tabOf, component: conversations }),
  createRoute({
    getParentRoute: () => root,
    path: "/contacts",
    validateSearch: contactsSearch,
    component: lazyRouteComponent(() => import("@/features/contacts/contacts"), "Contacts"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/sms",
    validateSearch: messagesSearch,
    component: lazyRouteComponent(() => import("@/features/messages/messages"), "Messages"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/templates",
    component: lazyRouteComponent(() => import("@/features/templates/templates"), "Templates"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/settings/integrations",
    component: lazyRouteComponent(() => import("@/features/integrations/integrations"), "Integrations"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/numbers",
    validateSearch: numbersSearch,
    component: lazyRouteComponent(() => import("@/features/numbers/numbers"), "Numbers"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/calls",
    validateSearch: callsSearch,
    component: lazyRouteComponent(() => import("@/features/calls/calls"), "Calls"),
  }),
];

/** A router for one workspace; the next one gets its own, so that no place of the old one is remembered. */
export function newRouter() {
  return createRouter({
    routeTree: root.addChildren(pages),
    defaultPreload: "intent",
    scrollRestoration: true,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof newRouter>;
  }
}
