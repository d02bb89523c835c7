import { Button, Group, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";

import { texts } from "@/texts";

/** Say that something did not work. For what a page itself shows, use ProblemNote. */
export function tellProblem(error: Error): void {
  notifications.show({ color: "red", title: texts.common.failed, message: error.message, autoClose: 10_000 });
}

/** Say that something was done. */
export function tell(message: string): void {
  notifications.show({ message, autoClose: 5_000 });
}

/** Say that something was done, with ten seconds to take it back. */
export function tellWithUndo(message: string, undo: () => void): void {
  const id = crypto.randomUUID();
  notifications.show({
    id,
    autoClose: 10_000,
    message: (
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm">{message}</Text>
        <Button
          size="xs"
          variant="light"
          onClick={() => {
            notifications.hide(id);
            undo();
          }}
        >
          {texts.common.undo}
        </Button>
      </Group>
    ),
  });
}
