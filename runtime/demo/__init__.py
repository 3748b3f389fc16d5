"""The demo: accounts, venues and shows that a newcomer can look at and buy at once."""

from runtime.demo.loading import DemoAccount, DemoAccounts, accounts_left, load_demo

__all__ = ["DemoAccount", "DemoAccounts", "accounts_left", "load_demo"]
