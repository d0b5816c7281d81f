"""Measurements that the pages in docs/ quote; each prints the figures that it measured."""
