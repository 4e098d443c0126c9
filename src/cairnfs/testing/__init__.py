"""What tests of Cairn, and of programs that use it, are made of; shipped with the package.

A manual clock, a cluster inside one process, flaky disks and transports, planted bugs, contract suites.
"""
