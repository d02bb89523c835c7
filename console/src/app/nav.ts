import {
  IconAddressBook,
  IconFileText,
  IconHome,
  IconMessage,
  IconMessages,
  IconPhone,
  IconPhoneCall,
  IconPlugConnected,
} from "@tabler/icons-react";
import type { ComponentType } from "react";

import { type Me, may } from "@/lib/session";
import { texts } from "@/texts";

interface Entry {
  to: string;
  label: string;
  icon: ComponentType<{ size?: number | string }>;
}

interface Group {
  label: string;
  entries: Entry[];
}

/** What the menu shows to somebody: the places that their role can use. */
export function menuOf(me: Me): Group[] {
  if (me.company === null) return [];
  const admin = may(me, "admin");
  const groups: (Group | null)[] = [
    {
      label: texts.nav.work,
      entries: [
        { to: "/", label: texts.nav.home, icon: IconHome },
        { to: "/conversations", label: texts.nav.conversations, icon: IconMessages },
        { to: "/sms", label: texts.nav.messages, icon: IconMessage },
        { to: "/calls", label: texts.nav.calls, icon: IconPhoneCall },
        { to: "/contacts", label: texts.nav.contacts, icon: IconAddressBook },
      ],
    },
    {
      label: texts.nav.manage,
      entries: [
        { to: "/templates", label: texts.nav.templates, icon: IconFileText },
        { to: "/numbers", label: texts.nav.numbers, icon: IconPhone },
      ],
    },
    admin
      ? {
          label: texts.nav.settings,
          entries: [
            { to: "/settings/integrations", label: texts.nav.integrations, icon: IconPlugConnected },
          ],
        }
      : null,
  ];
  return groups.filter((group) => group !== null);
}
