import { Button } from "@mantine/core";
import { IconMapOff } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";

import { texts } from "@/texts";

import { Empty, Page } from "./page";

/** The page for an address that leads nowhere. */
export function NotFound() {
  return (
    <Page title={texts.common.notFoundTitle}>
      <Empty
        icon={<IconMapOff size={40} />}
        title={texts.common.notFoundTitle}
        text={texts.common.notFound}
        action={
          <Button component={Link} to="/" mt="sm">
            {texts.common.toHome}
          </Button>
        }
      />
    </Page>
  );
}
