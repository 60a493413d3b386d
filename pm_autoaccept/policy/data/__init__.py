"""Data tables of a policy: declared sources, table contents, guards (`require`) and remarks."""
