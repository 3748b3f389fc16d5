"""The demo: accounts, venues and shows for a newcomer to browse and buy."""

from runtime.demo.loading import DemoAccount, DemoAccounts, accounts_left, load_demo

__all__ = ["DemoAccount", "DemoAccounts", "accounts_left", "load_demo"]
