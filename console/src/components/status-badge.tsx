import { Badge, type MantineColor } from "@mantine/core";
import {
  IconAlertCircle,
  IconCheck,
  IconChecks,
  IconClock,
  IconHandStop,
  IconHelpCircle,
  IconInbox,
  IconPlayerPause,
  IconSend,
  IconX,
} from "@tabler/icons-react";
import type { ComponentType } from "react";

import { texts } from "@/texts";

interface Look {
  color: MantineColor;
  icon: ComponentType<{ size?: number | string }>;
}

// A failed text must never look like a sent one: each status has its word and its sign, not its colour alone.
const LOOKS: Readonly<Record<string, Look>> = {
  held: { color: "yellow", icon: IconPlayerPause },
  queued: { color: "gray", icon: IconClock },
  sending: { color: "blue", icon: IconSend },
  sent: { color: "blue", icon: IconCheck },
  delivered: { color: "teal", icon: IconChecks },
  read: { color: "teal", icon: IconChecks },
  received: { color: "gray", icon: IconInbox },
  undelivered: { color: "red", icon: IconAlertCircle },
  failed: { color: "red", icon: IconAlertCircle },
  refused: { color: "red", icon: IconHandStop },
  canceled: { color: "gray", icon: IconX },
  unconfirmed: { color: "orange", icon: IconHelpCircle },
};

/** Where a text stands, in a word and a sign. */
export function StatusBadge({ status }: { status: string }) {
  const look = LOOKS[status] ?? { color: "gray", icon: IconHelpCircle };
  const words: Readonly<Record<string, string>> = texts.statuses;
  return (
    <Badge
      variant="light"
      color={look.color}
      tt="none"
      // The word in the colour of text: not every colour is dark enough on its own light ground.
      styles={{ label: { color: "var(--mantine-color-text)" } }}
      leftSection={<look.icon size={12} aria-hidden />}
    >
      {words[status] ?? status}
    </Badge>
  );
}
