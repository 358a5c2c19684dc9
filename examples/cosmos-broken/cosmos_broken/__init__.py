"""Plugins that do not keep the contract."""
