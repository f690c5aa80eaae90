"""Benchmarks of fastad, run by asv (see asv.conf.json) or one table at once.

    python -m benchmarks.compare      every figure the README quotes, in one run
    python -m benchmarks.soak         millions of gradients: does memory stay flat?
    asv run --quick -E existing       all of bench_*.py, once

The functions that are differentiated stand in workloads.py, the clock in
interleaved.py, what is measured in figures.py.
"""
