import { AppShell, Burger, Group, Menu, NavLink, ScrollArea, Text, UnstyledButton, useMantineColorScheme } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconChevronDown, IconDeviceDesktop, IconLogout, IconMoon, IconSun } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { Link, Outlet, useLocation } from "@tanstack/react-router";

import { api, unwrap } from "@/api/client";
import { tellProblem } from "@/lib/feedback";
import { useLive } from "@/lib/live";
import { useSession } from "@/lib/session-context";
import { texts } from "@/texts";

import { menuOf } from "./nav";

/** The frame around every page: menu, account, and the place where the page goes. */
export function Shell() {
  const [isOpen, { toggle, close }] = useDisclosure(false);
  const { me } = useSession();
  useLive();
  const { pathname } = useLocation();
  const isHere = (to: string) => (to === "/" ? pathname === "/" : pathname === to || pathname.startsWith(`${to}/`));
  return (
    <>
      <a className="skip" href="#content">
        {texts.nav.skip}
      </a>
      <AppShell
        header={{ height: 52 }}
        navbar={{ width: 230, breakpoint: "sm", collapsed: { mobile: !isOpen } }}
        padding={0}
        transitionDuration={0}
      >
        <AppShell.Header px="sm">
          <Group h="100%" justify="space-between" wrap="nowrap">
            <Group gap="xs" wrap="nowrap">
              <Burger
                opened={isOpen}
                onClick={toggle}
                hiddenFrom="sm"
                size="sm"
                aria-label={isOpen ? texts.nav.close : texts.nav.open}
              />
              <img src="/icon.svg" alt="" width={26} height={26} />
              <Text fw={650} truncate>
                {me.company?.name ?? texts.product}
              </Text>
            </Group>
            <Account />
          </Group>
        </AppShell.Header>
        <AppShell.Navbar p="xs">
          <ScrollArea type="auto">
            <nav>
              {menuOf(me).map((group) => (
                <div key={group.label}>
                  <Text size="xs" c="dimmed" fw={600} px="xs" pt="sm" pb={4}>
                    {group.label}
                  </Text>
                  {group.entries.map((entry) => (
                    <NavLink
                      key={entry.to}
                      component={Link}
                      to={entry.to}
                      label={entry.label}
                      leftSection={<entry.icon size={18} />}
                      active={isHere(entry.to)}
                      aria-current={isHere(entry.to) ? "page" : undefined}
                      onClick={close}
                    />
                  ))}
                </div>
              ))}
            </nav>
          </ScrollArea>
        </AppShell.Navbar>
        <AppShell.Main id="content" tabIndex={-1}>
          <Outlet />
        </AppShell.Main>
      </AppShell>
    </>
  );
}

function Account() {
  const { me, onLoggedOut } = useSession();
  const { setColorScheme } = useMantineColorScheme();
  const logOut = useMutation({
    mutationFn: () => unwrap(api.POST("/api/auth/logout")),
    onSuccess: onLoggedOut,
    onError: tellProblem,
  });
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <UnstyledButton aria-label={`${texts.nav.account}: ${me.name}`}>
          <Group gap={6} wrap="nowrap">
            <Text size="sm" visibleFrom="xs">
              {me.name}
            </Text>
            <IconChevronDown size={16} aria-hidden />
          </Group>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{me.email}</Menu.Label>
        <Menu.Divider />
        <Menu.Label>{texts.nav.colours}</Menu.Label>
        <Menu.Item leftSection={<IconSun size={16} />} onClick={() => { setColorScheme("light"); }}>
          {texts.nav.light}
        </Menu.Item>
        <Menu.Item leftSection={<IconMoon size={16} />} onClick={() => { setColorScheme("dark"); }}>
          {texts.nav.dark}
        </Menu.Item>
        <Menu.Item leftSection={<IconDeviceDesktop size={16} />} onClick={() => { setColorScheme("auto"); }}>
          {texts.nav.system}
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => { logOut.mutate(); }}>
          {texts.nav.logOut}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
