"""Benchmarks in the forms of libraries that people use already; each needs an optional package."""
