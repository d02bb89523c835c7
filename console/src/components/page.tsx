import { Box, Group, Stack, Text, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import type { ReactNode } from "react";

import { texts } from "@/texts";

interface PageProps {
  title: string;
  /** What can be done here, on the right of the title. */
  actions?: ReactNode;
  children: ReactNode;
}

/** A page: its title, which is also the document's, what can be done, and its content. */
export function Page({ title, actions, children }: PageProps) {
  useDocumentTitle(`${title} · ${texts.product}`);
  return (
    <Stack gap="md" p={{ base: "sm", sm: "lg" }} maw={1400} mx="auto" w="100%">
      <Group justify="space-between" align="center" gap="sm">
        <Title order={1} size="h2">
          {title}
        </Title>
        {actions !== undefined && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Stack>
  );
}

interface EmptyProps {
  icon: ReactNode;
  title: string;
  text: string;
  action?: ReactNode;
}

/** What stands where nothing is yet: what this place is for, and the one next step. */
export function Empty({ icon, title, text, action }: EmptyProps) {
  return (
    <Stack align="center" gap="xs" py={48} px="md" ta="center">
      <Box c="dimmed" aria-hidden>
        {icon}
      </Box>
      <Title order={2} size="h4">
        {title}
      </Title>
      <Text c="dimmed" maw={460}>
        {text}
      </Text>
      {action}
    </Stack>
  );
}
